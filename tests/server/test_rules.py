"""Rules for profiles, and what is said of profiles that keep them but look like a mistake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from haversack.model.v1 import filter_pb2, model_pb2
from haversack_server.breaches import LISTED_BREACHES_BYTES_MAX, sentences
from haversack_server.catalog.entities import StoredEntity
from haversack_server.metadata import merge_entity, read_document, standard_documents
from haversack_server.publishing import Metadata
from haversack_server.publishing._lint import cycles, warnings
from haversack_server.publishing._rules import breaches

RELATED_ONLY = model_pb2.RECORD_CRITERIA_RELATED_ONLY
ALL = model_pb2.RECORD_CRITERIA_ALL
OTHER = model_pb2.RECORD_CRITERIA_OTHER
CUSTOM = model_pb2.RECORD_CRITERIA_CUSTOM
USER = "4103c891-37e8-4dfc-aeac-b55e2bc1be1c"
FILTER = filter_pb2.Filter(fetch_xml="<filter/>")


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    """The shipped metadata, everything but lead enabled for offline use."""
    stored, listed = {}, {}
    for number, (name, content) in enumerate(standard_documents(), 1):
        document = read_document(name, content)
        merged = merge_entity(document.entity, None, number=number)
        stored[name] = StoredEntity(merged.entity, merged.last_number, offline=name != "lead")
        listed[name] = list(document.relationships)
    return Metadata("acme", model_pb2.Settings(), stored, listed)


def item(entity: str, criteria: model_pb2.RecordCriteria = ALL, *pulls: str, **more: object) -> model_pb2.ProfileItem:
    """An item with associations along these relationships."""
    associations = [model_pb2.Association(relationship=it) for it in pulls]
    made = model_pb2.ProfileItem(entity=entity, criteria=criteria, associations=associations)
    for name, value in more.items():
        if name == "columns":
            made.columns.extend(value)  # type: ignore[arg-type]
        elif name == "filter":
            made.filter.CopyFrom(FILTER)
        else:
            setattr(made, name, value)
    return made


def profile(*items: model_pb2.ProfileItem, users: Iterable[str] = (USER,), name: str = "field") -> model_pb2.Profile:
    return model_pb2.Profile(name=name, items=items, users=users)


def test_a_profile_that_keeps_every_rule_has_no_breach(metadata: Metadata) -> None:
    kept = profile(
        item(
            "account", OTHER, "contact_customer_accounts", owned_by_me=True, columns=["name"], sync_interval_minutes=5
        ),
        item("contact", CUSTOM, "contact_customer_accounts", filter=True),
        item("systemuser", OTHER, "teammembership_association", owned_by_my_business_unit=True),
        item("team", RELATED_ONLY),
        item("teammembership", RELATED_ONLY),
        item("product", CUSTOM, filter=True),
    )
    assert list(breaches(kept, metadata)) == []


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (profile(name=" "), "the name must be"),
        (profile(name="a\nb"), "the name must be"),
        (profile(users=["nobody"]), "user 'nobody'"),
        (profile(users=[USER.upper()]), "canonical UUID"),
        (profile(users=[USER, USER]), "is there twice"),
        (profile(item("nothing")), "item nothing: the metadata has no such entity"),
        (profile(item("lead")), "item lead: the entity is not enabled"),
        (profile(item("account"), item("account")), "several items for account"),
        (profile(item("account", model_pb2.RECORD_CRITERIA_UNSPECIFIED)), "do not fit"),
        (profile(item("account", OTHER)), "OTHER needs at least one"),
        (
            profile(item("product", OTHER, owned_by_me=True)),
            "ownership ORGANIZATION; it takes RELATED_ONLY, ALL, CUSTOM",
        ),
        (profile(item("team", OTHER, owned_by_me=True)), "owned_by_my_business_unit alone"),
        (profile(item("team", OTHER, owned_by_my_teams=True, owned_by_my_business_unit=True)), "unit alone"),
        (profile(item("teammembership", ALL)), "ownership NONE; it takes RELATED_ONLY"),
        (profile(item("teammembership", RELATED_ONLY, filter=True)), "takes no filter"),
        (profile(item("account", CUSTOM)), "CUSTOM needs a filter"),
        (profile(item("account", ALL, filter=True)), "ALL takes no filter"),
        (profile(item("account", columns=["name", "shoesize"])), "column shoesize"),
        (profile(item("account", columns=["name", "name"])), "column name is there twice"),
        (profile(item("account", sync_interval_minutes=4)), "the sync interval is 4 minutes"),
        (profile(item("account", sync_interval_minutes=1441)), "the sync interval is 1441 minutes"),
        (profile(item("account", ALL, "no_such_link")), "association no_such_link is not a relationship"),
        (profile(item("account", ALL, "opportunity_customer_contacts")), "is not a relationship of the entity"),
        (profile(item("account", ALL, "contact_customer_accounts")), "pulls rows of contact"),
        (profile(item("account", ALL, "account_parent_account")), "it needs a direction"),
        (profile(item("team", ALL, "teammembership_association")), "pulls rows of systemuser"),
    ],
)
def test_each_rule_names_what_breaks_it(broken: model_pb2.Profile, says: str, metadata: Metadata) -> None:
    found = list(breaches(broken, metadata))
    assert any(says in it for it in found), found


def test_one_answer_lists_every_breach(metadata: Metadata) -> None:
    broken = profile(item("account", OTHER, "x", columns=["y"], sync_interval_minutes=1), item("lead"), users=["z"])
    found = "\n".join(breaches(broken, metadata))
    for says in ("OTHER needs", "association x", "column y", "sync interval", "item lead", "user 'z'"):
        assert says in found


def test_a_direction_must_agree_with_the_side_of_the_item(metadata: Metadata) -> None:
    to_one = model_pb2.ASSOCIATION_DIRECTION_TO_ONE
    wrong = profile(item("account", ALL, "contact_customer_accounts"), item("contact", RELATED_ONLY))
    wrong.items[0].associations[0].direction = to_one
    assert any("can only be followed TO_MANY" in it for it in breaches(wrong, metadata))
    right = profile(item("contact", ALL, "contact_customer_accounts"), item("account", RELATED_ONLY))
    right.items[0].associations[0].direction = to_one
    assert list(breaches(right, metadata)) == []
    itself = profile(item("account", ALL, "account_parent_account"))
    itself.items[0].associations[0].direction = to_one
    assert list(breaches(itself, metadata)) == []


def test_relationships_to_entities_that_are_not_known_cannot_be_followed(metadata: Metadata) -> None:
    fewer = {name: it for name, it in metadata.entities.items() if name != "contact"}
    assert "contact_customer_accounts" in metadata.relationships
    assert "contact_customer_accounts" not in replace(metadata, entities=fewer).relationships


def test_a_model_has_entities_by_number_and_relationships_by_name(metadata: Metadata) -> None:
    model = metadata.model(revision=3, profiles=[profile(name="b"), profile(name="a")])
    assert [it.number for it in model.entities] == list(range(1, len(metadata.entities) + 1))
    names = [it.schema_name for it in model.relationships]
    assert names == sorted(names)
    assert [it.name for it in model.profiles] == ["a", "b"]
    assert model.revision == 3


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (profile(), "has no items"),
        (profile(item("account"), users=()), "has no users"),
        (profile(item("account", RELATED_ONLY)), "no association pulls its rows"),
        (profile(item("account", ALL, owned_by_me=True)), "mean nothing without OTHER"),
        (profile(item("account", ALL, *(f"link{it}" for it in range(16)))), "16 associations"),
        (
            profile(
                item("account", ALL, "contact_customer_accounts"), item("contact", ALL, "contact_customer_accounts")
            ),
            "form a cycle",
        ),
    ],
)
def test_what_looks_like_a_mistake_is_said(odd: model_pb2.Profile, says: str, metadata: Metadata) -> None:
    found = list(warnings(odd, metadata))
    assert any(says in it for it in found), found


def test_an_entity_that_another_items_association_pulls_is_no_mistake(metadata: Metadata) -> None:
    fine = profile(item("account", ALL, "contact_customer_accounts"), item("contact", RELATED_ONLY))
    assert list(warnings(fine, metadata)) == []


def test_every_independent_cycle_is_found() -> None:
    found = cycles({"a": ["b"], "b": ["c", "a"], "c": ["c"], "d": ["a"]})
    assert sorted(sorted(set(path)) for path in found) == [["a", "b"], ["c"]]
    assert all(path[0] == path[-1] for path in found)
    assert cycles({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}) == []


def test_a_list_of_breaches_says_how_many_it_leaves_out() -> None:
    many = [f"breach {number} of a great many" for number in range(1_000)]
    text = sentences(many)
    assert len(text.encode()) < LISTED_BREACHES_BYTES_MAX + 100
    listed = text.count("breach ")
    assert text.endswith(f"and {1_000 - listed} more; mend these first")
    assert sentences(many[:3]) == "\n".join(many[:3])
