"""Drafts to solutions and back, without a server: what travels, what is noted, and that nothing is lost in silence."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.errors import RequestInvalid
from haversack_server.metadata import standard_documents
from haversack_server.publishing import Metadata, judge, why_refused
from haversack_server.solutions import (
    DraftReader,
    Header,
    Solution,
    documents,
    form_profile,
    read_solution,
    write_solution,
    written_metadata,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from server.solution_world import SITE, metadata, packed

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "solutions"
WORLD = metadata()
HEADER = Header("field_crew", "1.0.0.0", "fieldco", "xyz")
USER = "4103c891-37e8-4dfc-aeac-b55e2bc1be1c"

RELATED, ALL = model_pb2.RECORD_CRITERIA_RELATED_ONLY, model_pb2.RECORD_CRITERIA_ALL
OTHER, CUSTOM = model_pb2.RECORD_CRITERIA_OTHER, model_pb2.RECORD_CRITERIA_CUSTOM
UNSPECIFIED = model_pb2.ASSOCIATION_DIRECTION_UNSPECIFIED
TO_MANY, TO_ONE = model_pb2.ASSOCIATION_DIRECTION_TO_MANY, model_pb2.ASSOCIATION_DIRECTION_TO_ONE
OPEN_ONLY = (
    '<filter type="and"><condition attribute="ownerid" operator="eq-useroruserteams"/>'
    '<condition attribute="statecode" operator="eq" value="0"/></filter>'
)


def written(*drafts: model_pb2.Profile, world: Metadata = WORLD) -> tuple[bytes, list[str]]:
    """The zip of drafts, and the notes."""
    forms, notes = [], []
    for draft in drafts:
        form, lost = form_profile(draft, world)
        forms.append(form)
        notes += lost
    return write_solution(Solution(HEADER, tuple(forms))), notes


def read(
    content: bytes, *, world: Metadata = WORLD, before: model_pb2.Profile | None = None
) -> tuple[list[model_pb2.Profile], list[str]]:
    """The drafts in a zip, and the notes."""
    solution = read_solution(content)
    reader = DraftReader(world, lambda entity, fetch_xml: why_refused(world, entity, fetch_xml))
    drafts = [reader.draft(it, before) for it in solution.profiles]
    return drafts, [*solution.notes, *reader.notes]


def item(entity: str, criteria: model_pb2.RecordCriteria, **more: object) -> model_pb2.ProfileItem:
    fetch_xml = str(more.pop("fetch_xml", ""))
    made = model_pb2.ProfileItem(entity=entity, criteria=criteria, **more)  # type: ignore[arg-type]
    if fetch_xml:
        made.filter.fetch_xml = fetch_xml
    return made


def field_crew() -> model_pb2.Profile:
    """The profile of the golden documents."""
    association = model_pb2.Association(relationship="xyz_site_visit")
    site = item("xyz_site", CUSTOM, fetch_xml=OPEN_ONLY, associations=[association])
    return model_pb2.Profile(name="Field crew", items=[site, item("xyz_visit", RELATED)])


def document(content: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name).decode()


@pytest.mark.parametrize("name", ["solution.xml", "customizations.xml"])
def test_a_solution_is_written_as_the_golden_documents_are(name: str) -> None:
    assert document(written(field_crew())[0], name) == (GOLDEN / name).read_text()


def test_the_golden_documents_are_read() -> None:
    content = packed((GOLDEN / "customizations.xml").read_bytes(), (GOLDEN / "solution.xml").read_bytes())
    assert read(content) == ([field_crew()], [])
    assert read_solution(content).header == HEADER


def test_what_dataverse_writes_otherwise_is_read_too() -> None:
    """As in the golden document, but for a description, capital GUIDs, a bare filter and sections of other kinds."""
    content = packed(b"\xef\xbb\xbf" + (GOLDEN / "foreign.xml").read_bytes())
    [draft], notes = read(content)
    assert draft.items[0].filter.fetch_xml == OPEN_ONLY
    assert [it.relationship for it in draft.items[0].associations] == ["xyz_site_visit"]
    assert [it.criteria for it in draft.items] == [CUSTOM, RELATED]
    assert draft.description == "Synthetic"
    for text in (
        "item xyz_Site: elements that are not read: SyncIntervalInMinutes",
        "sections of customizations.xml that are not carried: Workflows",
        "item xyz_Gone is left out: the metadata has no such entity",
        "association xyz_site_gone is left out",
        "item xyz_Tag is left out: it takes the rows of a custom filter, and has none",
    ):
        assert any(text in note for note in notes), (text, notes)


def test_a_manifest_says_what_else_there_was() -> None:
    manifest = (GOLDEN / "solution.xml").read_text()
    manifest = manifest.replace("<Managed>0", "<Managed>1").replace(
        "<RootComponents>",
        '<RootComponents><RootComponent type="29"/><RootComponent type="29"/><RootComponent type="1"/>',
    )
    manifest = manifest.replace("<MissingDependencies>", "<MissingDependencies><MissingDependency/>")
    notes = read_solution(packed("<ImportExportXml/>", manifest)).notes
    assert [note.split(":")[0] for note in notes] == [
        "the solution is managed; what it brings can be edited here all the same",
        "what the solution depends on elsewhere is not looked at",
        "2 components of type 29 are not carried",
        "solution.xml names profiles that customizations.xml does not have",
    ]


def test_descriptions_travel_and_teams_are_named_as_left_behind() -> None:
    draft = field_crew()
    draft.description = "For <crews> & co"
    draft.teams.append("5d0c1e52-0000-4000-8000-00000000000a")
    content, notes = written(draft)
    [back], _ = read(content)
    assert back.description == draft.description
    assert any("its 1 teams are not carried" in note for note in notes)
    [kept], _ = read(written(field_crew())[0], before=draft)
    assert (kept.description, list(kept.teams)) == (draft.description, list(draft.teams))


def test_equal_drafts_give_equal_bytes() -> None:
    assert written(field_crew()) == written(field_crew())
    other = metadata()
    elsewhere = Metadata("another", other.settings, other.entities, other.listed)
    assert written(field_crew(), world=elsewhere)[0] != written(field_crew())[0]


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)


@st.composite
def filters(draw: st.DrawFn, entity: str) -> str:
    value = quoteattr(draw(TEXTS), {"'": "&apos;"})
    space = draw(st.sampled_from(["", " ", "\n", "\r\n\t", "<!-- & -->"]))
    bare = f'{space}<filter>{space}<condition attribute="xyz_name" operator="eq" value={value}/></filter>{space}'
    form = draw(st.sampled_from(["{}", "{}", '<fetch><entity name="{0}">{{}}</entity></fetch>']))
    return form.format(entity).format(bare) if "{0}" in form else bare


LINKS: dict[str, list[tuple[str, model_pb2.AssociationDirection, str]]] = {
    "xyz_site": [
        ("xyz_site_visit", UNSPECIFIED, "xyz_visit"),
        ("xyz_site_parent", TO_MANY, "xyz_site"),
        ("xyz_site_parent", TO_ONE, "xyz_site"),
        ("xyz_Site_Tag", UNSPECIFIED, "xyz_tag"),
    ],
    "xyz_visit": [("xyz_site_visit", TO_ONE, "xyz_site")],
    "xyz_tag": [("xyz_Site_Tag", UNSPECIFIED, "xyz_site")],
}
"""Which associations an item may have: relationship, direction, the other entity."""


@st.composite
def items(draw: st.DrawFn, entity: str, carried: list[str]) -> model_pb2.ProfileItem:
    kinds = [RELATED, ALL, CUSTOM] if entity == "xyz_tag" else [RELATED, ALL, CUSTOM, OTHER]
    kind = draw(st.sampled_from(kinds))
    made = model_pb2.ProfileItem(
        entity=entity,
        criteria=kind,
        owned_by_me=kind == OTHER or draw(st.booleans()),
        owned_by_my_teams=draw(st.booleans()),
        owned_by_my_business_unit=draw(st.booleans()),
        columns=draw(st.sampled_from([[], ["xyz_name"]])),
        mandatory=draw(st.booleans()),
        priority=draw(st.sampled_from([0, 9])),
        sync_interval_minutes=draw(st.sampled_from([0, 30])),
    )
    if kind == CUSTOM or (kind != ALL and draw(st.booleans())):
        made.filter.fetch_xml = draw(filters(entity))
    for relationship, direction, other in draw(st.lists(st.sampled_from(LINKS[entity]), unique=True)):
        if other in carried:
            association = made.associations.add(relationship=relationship, direction=direction)
            if draw(st.booleans()):
                association.filter.fetch_xml = draw(filters(other))
    return made


@st.composite
def drafts(draw: st.DrawFn) -> model_pb2.Profile:
    """Profiles that obey the rules, in the small world."""
    carried = draw(st.lists(st.sampled_from(sorted(LINKS)), unique=True))
    return model_pb2.Profile(
        name="p" + draw(TEXTS.filter(str.isprintable)),
        users=draw(st.sampled_from([[], [USER]])),
        priority=draw(st.sampled_from([0, 3])),
        items=[draw(items(entity, carried)) for entity in carried],
    )


def expected(draft: model_pb2.Profile, notes: list[str]) -> model_pb2.Profile:
    """What of a draft travels; asserts that whatever does not is noted."""
    copy = model_pb2.Profile()
    copy.CopyFrom(draft)
    for field, words in (("users", "users are not carried"), ("priority", "its priority")):
        assert any(words in note for note in notes) == bool(getattr(draft, field))
        copy.ClearField(field)
    for field, words in (
        ("columns", "the choice of columns is"),
        ("mandatory", "`mandatory` is"),
        ("priority", "the priority is"),
        ("sync_interval_minutes", "the sync interval is"),
    ):
        having = [it.entity for it in draft.items if getattr(it, field)]
        [noted] = [note for note in notes if words in note] or [""]
        assert noted.endswith(", ".join(having))
        assert bool(noted) == bool(having)
        for it in copy.items:
            it.ClearField(field)
    for it in copy.items:
        relationships = [association.relationship for association in it.associations]
        for association in list(it.associations):
            if not association.direction:
                continue
            assert any(it.entity in note and association.relationship in note for note in notes)
            if association.relationship == "xyz_site_parent" and association.direction == TO_ONE:
                if relationships.count("xyz_site_parent") == 2:
                    it.associations.remove(association)
                    continue
                association.direction = TO_MANY
            elif association.relationship != "xyz_site_parent":
                association.direction = UNSPECIFIED
    return copy


@settings(max_examples=80, deadline=None)
@given(drafts())
def test_a_draft_comes_back_but_for_what_is_noted(draft: model_pb2.Profile) -> None:
    judge(draft, WORLD).refuse()
    content, notes = written(draft)
    [back], strange = read(content)
    assert back == expected(draft, notes)
    assert all("TO_MANY" in note for note in strange)


def follows_both_ways(it: model_pb2.ProfileItem) -> bool:
    return len({association.relationship for association in it.associations}) < len(it.associations)


@settings(max_examples=40, deadline=None)
@given(drafts())
def test_an_import_over_the_same_draft_changes_nothing(draft: model_pb2.Profile) -> None:
    [back], _ = read(written(draft)[0], before=draft)
    if not any(follows_both_ways(it) for it in draft.items):
        assert back == draft
    assert back.users == draft.users


def test_a_filter_that_is_the_whole_of_a_fetch_comes_back_bare_or_as_it_was() -> None:
    bare = '<filter><condition attribute="xyz_name" operator="eq" value="a &amp; b"/></filter>'
    fetch = f'<fetch top="5"><entity name="xyz_site">{bare}</entity></fetch>'
    for fetch_xml in (bare, fetch, f"\n {bare}\r\n"):
        draft = model_pb2.Profile(name="f", items=[item("xyz_site", CUSTOM, fetch_xml=fetch_xml)])
        content, _ = written(draft)
        assert "&lt;fetch" in document(content, "customizations.xml")
        assert read(content)[0] == [draft]


def test_what_is_unknown_here_is_left_out_and_named() -> None:
    """Never an item without its filter: that would carry more than was meant."""
    broken = '<filter><condition attribute="xyz_shoesize" operator="eq" value="1"/></filter>'
    draft = field_crew()
    draft.items[0].associations[0].filter.fetch_xml = broken
    draft.items.add(entity="xyz_tag", criteria=CUSTOM).filter.fetch_xml = broken
    [back], notes = read(written(draft)[0])
    assert [it.entity for it in back.items] == ["xyz_site", "xyz_visit"]
    assert not back.items[0].associations
    assert sum("xyz_shoesize" in note for note in notes) == 2
    small = metadata(SITE)
    [back], notes = read(written(field_crew())[0], world=small)
    assert [it.entity for it in back.items] == ["xyz_site"]
    assert any("item xyz_Visit is left out" in note for note in notes)
    assert any("association xyz_site_visit is left out" in note for note in notes)


def test_an_association_to_an_item_that_is_left_out_is_left_out_too() -> None:
    draft = field_crew()
    draft.items[1].filter.fetch_xml = "<filter><condition attribute='x' operator='null'/></filter>"
    [back], notes = read(written(draft)[0])
    assert not back.items[0].associations
    assert any("it pulls rows of xyz_visit, for which there is no item" in note for note in notes)


def test_a_filter_on_all_rows_is_dropped_with_a_note() -> None:
    draft = model_pb2.Profile(name="f", items=[item("xyz_site", ALL, fetch_xml=OPEN_ONLY)])
    [back], notes = read(written(draft)[0])
    assert back.items[0] == item("xyz_site", ALL)
    assert any("its filter is left out, since it takes all rows" in note for note in notes)


def test_a_solution_that_no_import_would_take_is_not_written() -> None:
    draft = model_pb2.Profile(name="f")
    for number in range(40):
        draft.items.add(entity=f"e{number}", criteria=CUSTOM).filter.fetch_xml = "<filter>" + "x" * (1024 * 1024)
    with pytest.raises(RequestInvalid, match="export fewer profiles"):
        written(draft)


def test_metadata_without_a_place_in_the_form_is_noted() -> None:
    text_id = {
        "LogicalName": "zip",
        "SchemaName": "Zip",
        "OwnershipType": "None",
        "PrimaryIdAttribute": "code",
        "Attributes": [{"LogicalName": "code", "AttributeType": "String"}],
    }
    odd = {
        "LogicalName": "odd",
        "SchemaName": "Strange",
        "OwnershipType": "None",
        "PrimaryIdAttribute": "oddid",
        "Attributes": [
            {"LogicalName": "oddid", "AttributeType": "Uniqueidentifier"},
            {"LogicalName": "nowhere", "AttributeType": "Lookup", "Targets": ["zip"]},
        ],
    }
    made = written_metadata(metadata(text_id, odd), ["zip", "odd"])
    assert made.names == ("odd",)
    assert made.entities[0].value("Name") == "odd"
    for text in (
        "metadata of zip is not carried",
        "schema name Strange is not carried",
        "odd: where these lookups point",
    ):
        assert any(text in note for note in made.notes)


def test_a_hierarchy_travels_with_the_relationship_that_makes_it() -> None:
    world = metadata()
    site = world.entities["xyz_site"].metadata
    site.hierarchy_attribute = "xyz_parent"
    made = written_metadata(world, ["xyz_site"])
    marked = {it.attributes["Name"] for it in made.relationships if it.value("IsHierarchical") == "1"}
    assert (marked, made.notes) == ({"xyz_site_parent"}, ())
    site.hierarchy_attribute = "owningbusinessunit"
    assert written_metadata(world, ["xyz_site"]).notes == ("xyz_site: its hierarchy is not carried",)


def without_targets(entity: model_pb2.Entity) -> model_pb2.Entity:
    """An entity as a document gives it, but for where its lookups point: relationships say that, as far as they do."""
    copy = model_pb2.Entity()
    copy.CopyFrom(entity)
    copy.number = 0
    for attribute in copy.attributes:
        attribute.number = attribute.entity_field_number = 0
        del attribute.targets[:]
    return copy


def test_the_shipped_metadata_comes_back() -> None:
    """Real entities, hundreds of attributes: types, labels, lengths, options and owners are what they were."""
    world = metadata(*(json.loads(content) for _, content in standard_documents()))
    made = written_metadata(world, world.entities)
    carried = {it.attributes["Name"] for it in made.relationships}
    content = write_solution(Solution(HEADER, (), made.entities, made.relationships))
    assert "<IsOfflineInMobileClient>1<" in document(content, "customizations.xml")
    read_, notes = documents(read_solution(content), {}, {})
    assert notes == []
    assert {it.entity.logical_name for it in read_} == set(made.names) == set(world.entities)
    for it in read_:
        before = world.entities[it.entity.logical_name].metadata
        assert without_targets(it.entity) == without_targets(before)
        assert it.notes == ()
        assert sorted(link.schema_name for link in it.relationships) == sorted(
            link.schema_name for link in world.listed[before.logical_name] if link.schema_name in carried
        )
        noted = next((note for note in made.notes if note.startswith(f"{before.logical_name}: where")), "")
        for attribute, old in zip(it.entity.attributes, before.attributes, strict=True):
            assert set(attribute.targets) == set(old.targets) or attribute.logical_name in noted
