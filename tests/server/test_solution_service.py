"""Solutions through the admin endpoint and the command line: from one organization to another."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from haversack.admin.v1 import entities_pb2, profiles_pb2, solutions_pb2
from haversack.model.v1 import model_pb2
from server.refusals import refused
from server.running import Admin, RunningServer
from server.solution_world import SITE, contents, packed
from server.test_cli import MISUSED, Line
from server.test_profiles import publish, save, summary
from server.test_solutions import ALL, RELATED, USER, field_crew, item

pytestmark = pytest.mark.on_every_database

CODE = grpc.StatusCode
SEEN = '<filter><condition attribute="xyz_seen" operator="not-null"/></filter>'
RECENT = '<filter><condition attribute="xyz_seen" operator="last-x-days" value="10"/></filter>'


def export(admin: Admin, organization: str, **asked: Any) -> solutions_pb2.ExportSolutionResponse:
    request = solutions_pb2.ExportSolutionRequest(organization=organization, **asked)
    response: solutions_pb2.ExportSolutionResponse = admin.call("solutions", "ExportSolution", request)
    return response


def import_(admin: Admin, organization: str, content: bytes, **asked: Any) -> solutions_pb2.ImportSolutionResponse:
    request = solutions_pb2.ImportSolutionRequest(organization=organization, content=content, **asked)
    response: solutions_pb2.ImportSolutionResponse = admin.call("solutions", "ImportSolution", request)
    return response


def draft(admin: Admin, organization: str, name: str = "Field crew") -> model_pb2.Profile:
    request = profiles_pb2.GetProfileRequest(organization=organization, name=name)
    found: model_pb2.Profile = admin.call("profiles", "GetProfile", request).profile
    return found


def entities(admin: Admin, organization: str) -> dict[str, model_pb2.Entity]:
    """Every entity as it is, whatever its number and those of its attributes."""
    listing = entities_pb2.ListEntitiesRequest(organization=organization)
    found = {}
    for it in admin.call("entities", "ListEntities", listing).entities:
        request = entities_pb2.GetEntityRequest(organization=organization, entity=it.logical_name)
        entity = admin.call("entities", "GetEntity", request).entity
        entity.number = 0
        for attribute in entity.attributes:
            attribute.number = attribute.entity_field_number = 0
            attribute.targets.sort()
        entity.attributes.sort(key=lambda attribute: attribute.logical_name)
        found[it.logical_name] = entity
    return found


def relationships(admin: Admin, organization: str, entity: str) -> list[model_pb2.Relationship]:
    request = entities_pb2.GetEntityRequest(organization=organization, entity=entity)
    return list(admin.call("entities", "GetEntity", request).relationships)


@pytest.fixture
def fresh(admin: Admin) -> str:
    """An organization without metadata."""
    return admin.organization(standard=False)


@pytest.fixture
def fieldco(admin: Admin) -> str:
    """An organization with the small world's metadata, and the field crew's draft."""
    name = admin.organization(standard=False)
    admin.import_metadata(name, contents())
    admin.enable(name, "xyz_site", organization_filter=RECENT)
    admin.enable(name, "xyz_visit", "xyz_tag")
    crew = field_crew()
    crew.users.append(USER)
    crew.items[0].associations.add(relationship="xyz_Site_Tag")
    crew.items.add(entity="xyz_tag", criteria=RELATED)
    save(admin, name, crew)
    return name


def test_a_fresh_organization_gets_metadata_filters_and_drafts(admin: Admin, fieldco: str, fresh: str) -> None:
    exported = export(admin, fieldco, with_metadata=True)
    assert list(exported.profiles) == ["Field crew"]
    assert list(exported.entities) == ["xyz_site", "xyz_tag", "xyz_visit"]
    assert [note for note in exported.notes if "users" not in note] == []
    answer = import_(admin, fresh, exported.content, with_metadata=True, enable_entities=True)
    expected = draft(admin, fieldco)
    expected.ClearField("users")
    assert draft(admin, fresh) == expected == answer.profiles[0].profile
    assert entities(admin, fresh) == entities(admin, fieldco)
    assert relationships(admin, fresh, "xyz_site") == relationships(admin, fieldco, "xyz_site")
    assert sorted(answer.added) == ["xyz_site", "xyz_site_tag", "xyz_tag", "xyz_visit"]
    assert list(answer.enabled) == ["xyz_site", "xyz_tag", "xyz_visit"]
    assert answer.notes[-1].startswith("nothing is published")
    assert summary(admin, fresh, "Field crew").revision == 0
    admin.provision(fresh)
    assert publish(admin, fresh, "Field crew").profile_revision == 1


def test_only_the_profiles_that_were_named_travel(admin: Admin, fieldco: str) -> None:
    save(admin, fieldco, model_pb2.Profile(name="another", items=[item("xyz_tag", ALL)]))
    assert list(export(admin, fieldco).profiles) == ["Field crew", "another"]
    chosen = export(admin, fieldco, profiles=["another"], with_metadata=True)
    assert (list(chosen.profiles), list(chosen.entities)) == (["another"], ["xyz_tag"])
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN", "'nobody'"):
        export(admin, fieldco, profiles=["another", "nobody"])


@pytest.mark.parametrize(
    "asked",
    [
        {"unique_name": "no good"},
        {"unique_name": "1st"},
        {"publisher": "é"},
        {"version": "1"},
        {"version": "1.0.0.0.0"},
        {"prefix": "x"},
        {"prefix": "mscrm"},
    ],
)
def test_a_header_that_dataverse_would_refuse_is_refused(asked: dict[str, str], admin: Admin, fresh: str) -> None:
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "must be"):
        export(admin, fresh, **asked)


def test_a_dry_run_says_all_and_changes_nothing(admin: Admin, fieldco: str, fresh: str) -> None:
    content = export(admin, fieldco, with_metadata=True).content
    asked = {"with_metadata": True, "enable_entities": True}
    tried = import_(admin, fresh, content, dry_run=True, **asked)
    assert entities(admin, fresh) == {}
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        draft(admin, fresh)
    assert import_(admin, fresh, content, **asked) == tried


def test_without_metadata_what_is_unknown_is_left_out(admin: Admin, fieldco: str, fresh: str) -> None:
    answer = import_(admin, fresh, export(admin, fieldco, with_metadata=True).content)
    assert not draft(admin, fresh).items
    assert any("metadata of entities in it is not read" in note for note in answer.notes)
    assert sum("is left out: the metadata has no such entity" in note for note in answer.notes) == 3


def test_entities_are_enabled_only_if_asked(admin: Admin, fieldco: str, fresh: str) -> None:
    admin.import_metadata(fresh, contents())
    content = export(admin, fieldco).content
    with refused(CODE.FAILED_PRECONDITION, "ENTITY_NOT_ENABLED", "xyz_site, xyz_tag, xyz_visit"):
        import_(admin, fresh, content)
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        draft(admin, fresh)
    assert list(import_(admin, fresh, content, enable_entities=True).enabled) == ["xyz_site", "xyz_tag", "xyz_visit"]


def test_an_import_keeps_what_the_form_has_no_place_for(admin: Admin, fieldco: str) -> None:
    crew = draft(admin, fieldco)
    crew.priority = 7
    crew.items[0].columns.append("xyz_name")
    crew.items[0].mandatory = True
    crew.items[1].sync_interval_minutes = 60
    save(admin, fieldco, crew)
    answer = import_(admin, fieldco, export(admin, fieldco).content)
    assert answer.profiles[0].replaces
    assert draft(admin, fieldco) == crew
    assert any("kept from the draft that is replaced" in note for note in answer.notes)


def test_metadata_of_a_solution_only_adds(admin: Admin, fieldco: str, fresh: str) -> None:
    content = export(admin, fieldco, with_metadata=True).content
    smaller = {**SITE, "DisplayName": "Ours", "Attributes": [*SITE["Attributes"][:2], {"LogicalName": "ours"}]}
    smaller["Attributes"][-1]["AttributeType"] = "Memo"
    smaller["Attributes"].append({"LogicalName": "xyz_rent", "AttributeType": "String"})
    smaller["ManyToOneRelationships"] = []
    admin.import_metadata(fresh, {"xyz_site": json.dumps(smaller).encode()})
    answer = import_(admin, fresh, content, with_metadata=True, enable_entities=True)
    assert list(answer.changed) == ["xyz_site"]
    assert any("xyz_site.xyz_rent stays STRING" in note for note in answer.notes)
    site = entities(admin, fresh)["xyz_site"]
    assert site.display_name == "Ours"
    kinds = {it.logical_name: it.type for it in site.attributes}
    assert kinds["ours"] == model_pb2.ATTRIBUTE_TYPE_MEMO
    assert kinds["xyz_rent"] == model_pb2.ATTRIBUTE_TYPE_STRING
    assert kinds["xyz_since"] == model_pb2.ATTRIBUTE_TYPE_DATE_ONLY
    again = import_(admin, fresh, content, with_metadata=True)
    assert (list(again.added), list(again.changed), list(again.enabled)) == ([], [], [])


def test_a_part_of_an_entity_adds_to_the_whole_and_is_left_out_alone(admin: Admin, fieldco: str, fresh: str) -> None:
    """As Dataverse exports an entity of which only some columns belong to the solution; choices may be global."""
    part = (
        "<ImportExportXml><Entities><Entity><Name>xyz_Site</Name><EntityInfo><entity><attributes>"
        '<attribute PhysicalName="xyz_Mood"><Type>picklist</Type><OptionSetName>xyz_Moods</OptionSetName></attribute>'
        '<attribute PhysicalName="xyz_Photo"><Type>image</Type></attribute>'
        "</attributes></entity></EntityInfo><FormXml><forms/></FormXml></Entity></Entities>"
        '<optionsets><optionset Name="xyz_moods"><options><option value="3"><labels>'
        '<label description="Glad" languagecode="1033"/></labels></option></options></optionset></optionsets>'
        '<EntityRelationships><EntityRelationship Name="xyz_any"/></EntityRelationships></ImportExportXml>'
    )
    answer = import_(admin, fieldco, packed(part), with_metadata=True)
    assert list(answer.changed) == ["xyz_site"]
    [mood] = [it for it in entities(admin, fieldco)["xyz_site"].attributes if it.logical_name == "xyz_mood"]
    assert [(it.value, it.label) for it in mood.options] == [(3, "Glad")]
    for text in (
        "parts of entities that are not carried: FormXml",
        "of type image",
        "xyz_any is left out",
        "no profiles",
    ):
        assert any(text in note for note in answer.notes), text
    answer = import_(admin, fresh, packed(part), with_metadata=True)
    assert any("metadata of xyz_site is left out" in note for note in answer.notes)
    assert not entities(admin, fresh)


def test_rules_hold_and_one_breach_keeps_all_out(admin: Admin, fieldco: str, fresh: str) -> None:
    admin.import_metadata(fresh, contents())
    save(admin, fieldco, model_pb2.Profile(name="aaa", items=[item("xyz_tag", ALL)]))
    content = export(admin, fieldco).content
    criteria = b"<RecordDistributionCriteria>0</RecordDistributionCriteria>"
    customizations = _customizations(content)
    assert customizations.count(criteria) == 2
    broken = packed(customizations.replace(criteria, criteria.replace(b"0", b"2")))
    with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", "OTHER needs at least one"):
        import_(admin, fresh, broken, enable_entities=True)
    listing = profiles_pb2.ListProfilesRequest(organization=fresh)
    assert not admin.call("profiles", "ListProfiles", listing).profiles
    assert not any(it.offline for it in entities(admin, fresh).values())


def _customizations(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("customizations.xml")


def test_an_organization_filter_that_cannot_be_used_is_not_dropped(admin: Admin, fieldco: str, fresh: str) -> None:
    """Without it the entity would offer more rows than was meant."""
    content = packed(
        _customizations(export(admin, fieldco, with_metadata=True).content).replace(b"last-x-days", b"sings")
    )
    with refused(CODE.INVALID_ARGUMENT, "FILTER_OPERATOR_UNKNOWN", "organization filter of xyz_site"):
        import_(admin, fresh, content, with_metadata=True, enable_entities=True)


def test_what_is_no_solution_is_refused_by_name(admin: Admin, fresh: str) -> None:
    with refused(CODE.INVALID_ARGUMENT, "SOLUTION_INVALID", "not a zip"):
        import_(admin, fresh, b"hello")
    profile = f'<MobileOfflineProfile MobileOfflineProfileId="{uuid.uuid4()}" Name="f"/>'
    twice = f"<ImportExportXml><MobileOfflineProfiles>{profile * 2}</MobileOfflineProfiles></ImportExportXml>"
    with refused(CODE.INVALID_ARGUMENT, "SOLUTION_INVALID", "two profiles are named 'f'"):
        import_(admin, fresh, packed(twice))
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN"):
        import_(admin, "nobody", packed("<ImportExportXml/>"))


def test_notes_fit_into_an_answer(admin: Admin, fresh: str) -> None:
    entity = (
        '<MobileOfflineProfileItem MobileOfflineProfileItemId="{}"><EntitySchemaName>e{}</EntitySchemaName>'
        "<RecordDistributionCriteria>1</RecordDistributionCriteria></MobileOfflineProfileItem>"
    )
    items = "".join(entity.format(uuid.UUID(int=it), it) for it in range(1_000))
    content = packed(
        "<ImportExportXml><MobileOfflineProfiles>"
        + "".join(
            f'<MobileOfflineProfile Name="{name}" MobileOfflineProfileId="{uuid.uuid4()}">'
            f"<MobileOfflineProfileItems>{items}</MobileOfflineProfileItems></MobileOfflineProfile>"
            for name in "fg"
        )
        + "</MobileOfflineProfiles></ImportExportXml>"
    )
    notes = import_(admin, fresh, content).notes
    assert (len(notes), notes[-1]) == (1_001, "and 1,002 more")


def test_drafts_that_no_answer_could_show_are_not_written(admin: Admin, fieldco: str) -> None:
    """Else they would be there, and the caller would be told that the call failed."""
    comment = "<!--" + "".join(f"{it * 2_654_435_761 % 2**32:08x}" for it in range(120_000)) + "-->"
    text = f"{comment}{SEEN}".replace("<", "&lt;")
    one = (
        f'<MobileOfflineProfile Name="big{{}}" MobileOfflineProfileId="{uuid.uuid4()}"><MobileOfflineProfileItems>'
        f'<MobileOfflineProfileItem MobileOfflineProfileItemId="{uuid.uuid4()}"><EntitySchemaName>xyz_site'
        "</EntitySchemaName><RecordDistributionCriteria>3</RecordDistributionCriteria>"
        f"<ProfileItemEntityFilter>{text}</ProfileItemEntityFilter></MobileOfflineProfileItem>"
        "</MobileOfflineProfileItems></MobileOfflineProfile>"
    )
    profiles = "".join(one.format(it) for it in range(14))
    content = packed(f"<ImportExportXml><MobileOfflineProfiles>{profiles}</MobileOfflineProfiles></ImportExportXml>")
    with refused(CODE.INVALID_ARGUMENT, "SOLUTION_INVALID", "import fewer at once"):
        import_(admin, fieldco, content)
    listing = profiles_pb2.ListProfilesRequest(organization=fieldco)
    assert len(admin.call("profiles", "ListProfiles", listing).profiles) == 1


def test_the_command_line_exports_and_imports(
    server: RunningServer, admin: Admin, fieldco: str, fresh: str, tmp_path: Path
) -> None:
    line, file = Line(server.settings.data), tmp_path / "field.zip"
    words = ("solution", "export", file, "--org", fieldco, "--profile", "Field crew", "--metadata")
    shown = line.run(*words, "--name", "crew", "--solution-version", "2.1").output
    assert "solution crew with 1 profiles and 3 entities" in shown
    assert "users are not carried" in shown
    printed = line.json(*words)
    assert printed["bytes"] == file.stat().st_size
    assert printed["profiles"] == ["Field crew"]
    assert "content" not in printed

    taking = ("solution", "import", file, "--org", fresh, "--metadata", "--enable")
    shown = line.run(*taking, "--dry-run").output
    assert "Field crew" in shown
    assert "nothing is published" in shown
    assert line.json("entity", "list", "--org", fresh) == []
    imported = line.json(*taking)
    profile = json_format.ParseDict(imported["profiles"][0]["profile"], model_pb2.Profile())
    assert profile == draft(admin, fresh)
    assert imported["enabled"] == ["xyz_site", "xyz_tag", "xyz_visit"]
    assert "replaced" in line.run(*taking).output

    file.write_bytes(b"nonsense")
    assert line.refusal(*taking)["reason"] == "SOLUTION_INVALID"
    assert line.refusal("solution", "export", file, "--org", "nobody")["reason"] == "ORGANIZATION_UNKNOWN"
    assert file.read_bytes() == b"nonsense"
    file.write_bytes(bytes(9 * 1024 * 1024))
    line.run(*taking, expect=MISUSED)
    line.run("solution", "import", tmp_path / "none.zip", "--org", fresh, expect=MISUSED)
