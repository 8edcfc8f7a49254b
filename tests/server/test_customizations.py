"""Publishing customizations, and disabling what profiles carry: what is foretold is what devices then see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from haversack.admin.v1 import admin_pb2, entities_pb2, questions_pb2
from haversack.model.v1 import model_pb2
from haversack_server.metadata import standard_documents
from server.crew import ADA, BOB, CODE, Crew, item
from server.refusals import refused
from server.running import Admin, RunningServer

ONE = '<filter><condition attribute="name" operator="eq" value="Account 1"/></filter>'


@pytest.fixture
def crew(server: RunningServer, admin: Admin) -> Crew:
    return Crew.made(server, admin)


def publish(crew: Crew, **fields: object) -> entities_pb2.PublishCustomizationsResponse:
    answer: entities_pb2.PublishCustomizationsResponse = crew.entities("PublishCustomizations", **fields)
    return answer


def both(crew: Crew) -> model_pb2.ProfileItem:
    """An item for accounts that pulls their contacts."""
    accounts = item("account")
    accounts.associations.add(relationship="contact_customer_accounts")
    return accounts


def test_a_dry_run_foretells_what_then_happens(crew: Crew, tmp_path: Path) -> None:
    crew.publish("field", item("account"), item("contact"), users=[ADA, BOB])
    assert crew.held(ADA, device=tmp_path / "ada.db") == {"account": 5, "contact": 3}
    crew.entities("SetOrganizationFilter", entity="account", organization_filter=ONE)
    expected = publish(crew, dry_run=True)
    assert list(expected.changes) == ["account: organization filter"]
    assert (expected.effect.user_count, expected.effect.changed_count) == (2, 2)
    assert (expected.effect.gained.rows, expected.effect.lost.rows, expected.revision) == (0, 8, 0)
    assert crew.held(ADA, device=tmp_path / "ada.db")["account"] == 5, "nothing is published yet"

    done = publish(crew, note="fewer")
    assert (done.revision, done.effect, done.changes) == (2, expected.effect, expected.changes)
    assert crew.held(ADA, device=tmp_path / "ada.db") == {"account": 1, "contact": 3}
    question = questions_pb2.DiffRequest(
        organization=crew.name,
        before=questions_pb2.ProfileState(revision=1),
        after=questions_pb2.ProfileState(revision=2),
    )
    real = crew.admin.call("questions", "Diff", question)
    assert (real.changed_count, real.gained, real.lost) == (2, done.effect.gained, done.effect.lost)
    assert crew.profiles("ListProfiles").profiles[0].revision == 1, "profiles stay as they were published"


def test_nothing_to_publish_draws_no_revision(crew: Crew) -> None:
    first = publish(crew)
    assert (first.revision, list(first.changes)) == (1, ["nothing is published yet: everything is new"])
    assert "nothing is published" in first.effect.not_told
    again = publish(crew)
    assert (again.revision, again.lsn, list(again.changes)) == (0, 0, [])
    crew.publish("field", item("account"), users=[ADA])
    assert publish(crew, dry_run=True) == entities_pb2.PublishCustomizationsResponse()
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "note"):
        publish(crew, note="x" * 2_001)


def test_new_metadata_is_told_column_by_column(crew: Crew) -> None:
    crew.publish("field", item("account"), item("contact", columns=["lastname"]), users=[ADA])
    documents = dict(standard_documents())
    for entity in ("account", "contact"):
        content = json.loads(documents[entity])
        content["Attributes"].append({"LogicalName": "shoesize", "AttributeType": "Integer"})
        documents[entity] = json.dumps(content).encode()
    crew.admin.import_metadata(crew.name, documents)
    settings = admin_pb2.SetSettingsRequest(organization=crew.name, settings=model_pb2.Settings(week_start=1))
    crew.admin.call("organizations", "SetSettings", settings)
    told = publish(crew)
    assert list(told.changes) == [
        "settings: week_start",
        "account: new attributes: shoesize",
        "contact: new attributes: shoesize",
    ]
    [effect] = told.effect.metadata
    assert effect == entities_pb2.MetadataEffect(entity="account", profiles=["field"], columns_added=["shoesize"])
    assert told.effect.changed_count == 0


def test_what_a_published_profile_carries_is_disabled_only_by_force(crew: Crew, tmp_path: Path) -> None:
    crew.publish("field", both(crew), item("contact"), users=[ADA, BOB])
    crew.save("other", item("contact"))
    device = tmp_path / "ada.db"
    assert crew.held(ADA, device=device) == {"account": 5, "contact": 3}
    says = ("the draft of field, the draft of other, the published field", "6 rows", "2 of 2 users", "--force")
    with refused(CODE.FAILED_PRECONDITION, "ENTITY_IN_USE", *says):
        crew.entities("DisableEntity", entity="contact")
    forced = crew.entities("DisableEntity", entity="contact", force=True)
    assert (list(forced.profiles), list(forced.drafts)) == (["field"], ["field", "other"])
    assert (forced.effect.changed_count, forced.effect.lost.rows) == (2, 6)
    assert crew.held(ADA, device=device)["contact"] == 3, "it takes effect with a publish"

    told = publish(crew)
    assert list(told.changes) == ["disabled: contact", "profile field no longer carries contact"]
    assert [it.entity for it in told.effect.metadata] == ["contact"]
    assert crew.held(ADA, device=device) == {"account": 5}
    assert len(crew.draft("field").items) == 2, "the draft keeps the item"
    breaches = crew.profiles("ValidateProfile", name="field").breaches
    assert any("item contact: the entity is not enabled" in it for it in breaches)
    with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", "item contact"):
        crew.profiles("PublishProfile", name="field")
    crew.admin.import_metadata(crew.name, dict(standard_documents()))

    crew.entities("EnableEntity", entity="contact")
    assert list(publish(crew).changes) == ["enabled for offline use: contact", "profile field carries contact"]
    assert crew.held(ADA, device=device) == {"account": 5, "contact": 3}


def test_other_profiles_can_be_published_meanwhile(crew: Crew) -> None:
    crew.publish("field", both(crew), item("contact"), users=[ADA])
    crew.entities("DisableEntity", entity="contact", force=True)
    crew.publish("office", item("account"), users=[BOB])
    assert crew.held(ADA) == crew.held(BOB) == {"account": 5}
