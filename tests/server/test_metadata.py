"""Metadata documents: what is read from them, and what is left out with a note."""

from __future__ import annotations

import json
from typing import Any

import pytest
from haversack.model.v1 import model_pb2
from haversack_client._model import OWN_COLUMNS, OWN_PREFIXES
from haversack_server.errors import MetadataInvalid
from haversack_server.metadata import Document, read_document, standard_documents, standard_names

DIRECTORY = {
    "systemuser": {"businessunitid", "isdisabled", "parentsystemuserid", "positionid"},
    "team": {"businessunitid", "teamtype"},
    "teammembership": {"teamid", "systemuserid"},
    "businessunit": {"parentbusinessunitid"},
    "role": {"name", "businessunitid", "isinherited"},
    "systemuserroles": {"systemuserid", "roleid"},
    "teamroles": {"teamid", "roleid"},
    "roleprivileges": {"roleid", "entityname", "accessright", "depth"},
    "position": {"name", "parentpositionid"},
    "usersettings": {"systemuserid", "uilanguageid", "timezonename"},
    "principalobjectaccess": {"principalid", "objectid", "accessrightsmask", "inheritedaccessrightsmask"},
}


def document(*attributes: dict[str, Any], **more: object) -> dict[str, Any]:
    """A metadata document of an entity `thing`, with its key and these attributes."""
    key = {"LogicalName": "thingid", "AttributeType": "Uniqueidentifier"}
    return {
        "LogicalName": "thing",
        "SchemaName": "Thing",
        "OwnershipType": "UserOwned",
        "PrimaryIdAttribute": "thingid",
        "Attributes": [key, *attributes],
        **more,
    }


def read(content: dict[str, Any]) -> Document:
    return read_document("thing.json", json.dumps(content).encode())


def attribute(content: dict[str, Any]) -> model_pb2.Attribute:
    """The one attribute beside the key."""
    [found] = [it for it in read(document(content)).entity.attributes if it.logical_name != "thingid"]
    return found


def test_the_shipped_documents_have_what_the_engine_reads_of_the_directory() -> None:
    entities = {name: read_document(name, content).entity for name, content in standard_documents()}
    assert set(standard_names()) >= {"account", "contact", "opportunity", "product", *DIRECTORY}
    for name, needed in DIRECTORY.items():
        assert needed <= {it.logical_name for it in entities[name].attributes}, name


def test_the_shipped_documents_own_what_the_rules_of_access_expect() -> None:
    owners = {name: read_document(name, content).entity.ownership for name, content in standard_documents()}
    assert {owners[it] for it in ("systemuser", "team", "businessunit", "role")} == {model_pb2.OWNERSHIP_BUSINESS}
    assert owners["usersettings"] == model_pb2.OWNERSHIP_BUSINESS
    assert owners["position"] == model_pb2.OWNERSHIP_ORGANIZATION
    nobody = ("teammembership", "systemuserroles", "teamroles", "roleprivileges", "principalobjectaccess")
    assert {owners[it] for it in nobody} == {model_pb2.OWNERSHIP_NONE}
    assert owners["account"] == model_pb2.OWNERSHIP_USER
    assert owners["product"] == model_pb2.OWNERSHIP_ORGANIZATION


def test_every_shipped_entity_whose_rows_somebody_owns_can_be_shared() -> None:
    entities = {name: read_document(name, content).entity for name, content in standard_documents()}
    attributes = {it.logical_name: it for it in entities["principalobjectaccess"].attributes}
    owned = [name for name, entity in entities.items() if entity.ownership == model_pb2.OWNERSHIP_USER]
    assert list(attributes["objectid"].targets) == owned
    assert list(attributes["principalid"].targets) == ["systemuser", "team", "organization"]


def test_the_shipped_choices_are_numbered_as_the_engine_reads_them() -> None:
    entities = {name: read_document(name, content).entity for name, content in standard_documents()}
    attributes = {it.logical_name: it for entity in entities.values() for it in entity.attributes if it.options}
    rights = ["Create", "Read", "Write", "Delete", "Assign", "Share", "Append", "AppendTo"]
    assert [(it.value, it.label) for it in attributes["accessright"].options] == list(enumerate(rights, 1))
    assert [it.value for it in attributes["depth"].options] == [1, 2, 4, 8]
    assert [it.value for it in attributes["isinherited"].options] == [0, 1]


def test_the_shipped_links_between_users_teams_and_roles_are_many_to_many() -> None:
    links = {
        it.schema_name: it.many_to_many
        for _, content in standard_documents()
        for it in read_document("standard", content).relationships
        if it.HasField("many_to_many")
    }
    assert set(links) == {"teammembership_association", "systemuserroles_association", "teamroles_association"}
    assert links["teammembership_association"] == model_pb2.ManyToMany(
        intersect_entity="teammembership",
        entity1="team",
        attribute1="teamid",
        entity2="systemuser",
        attribute2="systemuserid",
    )


def test_the_shipped_hierarchies_are_those_of_the_system_that_we_follow() -> None:
    entities = {name: read_document(name, content).entity for name, content in standard_documents()}
    assert {name: it.hierarchy_attribute for name, it in entities.items() if it.hierarchy_attribute} == {
        "account": "parentaccountid",
        "businessunit": "parentbusinessunitid",
        "position": "parentpositionid",
        "systemuser": "parentsystemuserid",
        "territory": "parentterritoryid",
    }


def hierarchical(attribute: str, target: str = "thing", **more: object) -> dict[str, object]:
    """A relationship that is marked."""
    name = f"thing_{attribute}"
    marked = {"SchemaName": name, "ReferencingAttribute": attribute, "ReferencedEntity": target, "IsHierarchical": True}
    return {**marked, **more}


def test_the_marked_relationship_makes_a_hierarchy() -> None:
    parent = {"LogicalName": "parentid", "AttributeType": "Lookup"}
    other = {"LogicalName": "otherid", "AttributeType": "Lookup"}

    def hierarchy(*relationships: dict[str, object]) -> str:
        return read(document(parent, other, ManyToOneRelationships=list(relationships))).entity.hierarchy_attribute

    unmarked = hierarchical("otherid", IsHierarchical=False)
    assert hierarchy(unmarked, hierarchical("parentid")) == "parentid"
    assert hierarchy(unmarked) == ""
    assert hierarchy(hierarchical("goneid")) == "", "the relationship is left out with a note"
    with pytest.raises(MetadataInvalid, match="must refer to thing itself, not to account"):
        hierarchy(hierarchical("parentid", "account"))
    with pytest.raises(MetadataInvalid, match="one hierarchical relationship"):
        hierarchy(hierarchical("parentid"), hierarchical("otherid"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"AttributeType": "Money"}, model_pb2.ATTRIBUTE_TYPE_MONEY),
        ({"AttributeTypeName": "BigIntType"}, model_pb2.ATTRIBUTE_TYPE_BIGINT),
        ({"AttributeTypeName": {"Value": "MemoType"}}, model_pb2.ATTRIBUTE_TYPE_MEMO),
        (
            {"AttributeType": "Virtual", "AttributeTypeName": {"Value": "MultiSelectPicklistType"}},
            model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST,
        ),
        ({"AttributeType": "EntityName"}, model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME),
        ({"AttributeType": "DateTime"}, model_pb2.ATTRIBUTE_TYPE_DATETIME),
        ({"AttributeType": "DateTime", "Format": "DateOnly"}, model_pb2.ATTRIBUTE_TYPE_DATE_ONLY),
        (
            {"AttributeType": "DateTime", "Format": "DateOnly", "DateTimeBehavior": {"Value": "UserLocal"}},
            model_pb2.ATTRIBUTE_TYPE_DATETIME,
        ),
        ({"AttributeType": "DateTime", "DateTimeBehavior": "DateOnly"}, model_pb2.ATTRIBUTE_TYPE_DATE_ONLY),
        (
            {"AttributeType": "DateTime", "DateTimeBehavior": {"Value": "TimeZoneIndependent"}},
            model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT,
        ),
    ],
)
def test_both_spellings_of_a_type_are_read(written: dict[str, Any], expected: model_pb2.AttributeType) -> None:
    assert attribute({"LogicalName": "it", **written}).type == expected


def test_a_lookup_points_where_its_targets_say_or_else_where_relationships_do() -> None:
    named = attribute({"LogicalName": "it", "AttributeType": "Lookup", "Targets": ["account", "contact"]})
    assert list(named.targets) == ["account", "contact"]
    assert list(attribute({"LogicalName": "ownerid", "AttributeType": "Owner"}).targets) == ["systemuser", "team"]
    link = {"SchemaName": "thing_lead", "ReferencingAttribute": "it", "ReferencedEntity": "lead"}
    listed = read(document({"LogicalName": "it", "AttributeType": "Lookup"}, ManyToOneRelationships=[link]))
    assert list(listed.entity.attributes[1].targets) == ["lead"]


@pytest.mark.parametrize(
    ("written", "required"),
    [
        ("systemrequired", True),
        ({"Value": "ApplicationRequired", "CanBeChanged": True}, True),
        ("required", True),
        ({"Value": "Recommended"}, False),
        ("none", False),
        (None, False),
    ],
)
def test_a_row_must_have_what_system_or_application_require(written: object, required: bool) -> None:
    assert attribute({"LogicalName": "it", "AttributeType": "String", "RequiredLevel": written}).required == required


def test_what_devices_may_not_write_is_read() -> None:
    read_only = {"LogicalName": "it", "AttributeType": "String", "IsValidForCreate": False, "IsValidForUpdate": False}
    found = attribute(read_only)
    assert (found.create_forbidden, found.update_forbidden) == (True, True)
    found = attribute({"LogicalName": "it", "AttributeType": "String", "IsValidForCreate": True})
    assert (found.create_forbidden, found.update_forbidden) == (False, False)


def test_labels_and_choices_are_read_in_both_forms() -> None:
    options = [{"Value": 1, "Label": "One"}, {"Value": 2, "Label": {"UserLocalizedLabel": {"Label": "Two"}}}]
    found = attribute({"LogicalName": "it", "AttributeType": "Picklist", "OptionSet": {"Options": options}})
    assert [(it.value, it.label) for it in found.options] == [(1, "One"), (2, "Two")]


def test_what_cannot_be_carried_is_left_out_and_noted() -> None:
    found = read(
        document(
            {"LogicalName": "picture", "AttributeType": "Virtual", "AttributeTypeName": {"Value": "ImageType"}},
            {"LogicalName": "guests", "AttributeType": "PartyList"},
            {"LogicalName": "owneridname", "AttributeType": "String", "AttributeOf": "ownerid"},
            {"LogicalName": "secret", "AttributeType": "String", "IsValidForRead": False},
            {"LogicalName": "name", "AttributeType": "String"},
            ManyToOneRelationships=[
                {"SchemaName": "thing_name", "ReferencingAttribute": "name", "ReferencedEntity": "lead"}
            ],
        )
    )
    assert [it.logical_name for it in found.entity.attributes] == ["thingid", "name"]
    assert found.relationships == ()
    notes = "\n".join(found.notes)
    for name in ("picture", "guests", "owneridname", "secret", "thing_name"):
        assert name in notes


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "not a JSON document"),
        (b"[]", "one JSON object"),
        (json.dumps(document(OwnershipType="Mine")).encode(), "OwnershipType is 'Mine'"),
        (json.dumps(document(LogicalName="No Good")).encode(), "LogicalName 'No Good'"),
        (json.dumps(document(PrimaryIdAttribute="missing")).encode(), "PrimaryIdAttribute 'missing'"),
        (json.dumps(document({"LogicalName": "thingid", "AttributeType": "String"})).encode(), "there twice"),
        (
            json.dumps(
                document(
                    {"LogicalName": "it", "AttributeType": "Customer"},
                    {"LogicalName": "it_entity", "AttributeType": "String"},
                )
            ).encode(),
            "it_entity",
        ),
        (json.dumps(document(ManyToManyRelationships=[{"SchemaName": "x"}])).encode(), "IntersectEntityName"),
    ],
)
def test_a_contradictory_document_is_refused_by_name(content: bytes, says: str) -> None:
    with pytest.raises(MetadataInvalid, match=r"^thing\.json: ") as refusal:
        read_document("thing.json", content)
    assert says in str(refusal.value)


@pytest.mark.parametrize("name", [*OWN_COLUMNS, *(f"{prefix}x" for prefix in OWN_PREFIXES)])
def test_names_that_devices_keep_for_themselves_are_refused(name: str) -> None:
    attribute = document({"LogicalName": name, "AttributeType": "String"})
    for content in (attribute, document(LogicalName=name)):
        with pytest.raises(MetadataInvalid, match=rf"LogicalName '{name}'; devices keep .* another name"):
            read(content)
    assert read(document({"LogicalName": f"a{name}", "AttributeType": "String"}))
