"""Importing metadata, and enabling entities, through the admin endpoint."""

from __future__ import annotations

import json

import grpc
import pytest
from haversack.admin.v1 import entities_pb2
from haversack.model.v1 import model_pb2
from haversack_server.metadata import standard_documents, standard_names
from server.refusals import refused
from server.running import Admin

pytestmark = pytest.mark.on_every_database

CODE = grpc.StatusCode


def document(name: str, *attributes: str, kind: str = "String", **more: object) -> bytes:
    """A document of an entity with these attributes, all of one type."""
    key = {"LogicalName": f"{name}id", "AttributeType": "Uniqueidentifier"}
    return json.dumps(
        {
            "LogicalName": name,
            "OwnershipType": "OrganizationOwned",
            "PrimaryIdAttribute": f"{name}id",
            "Attributes": [key, *({"LogicalName": it, "AttributeType": kind} for it in attributes)],
            **more,
        }
    ).encode()


def get(admin: Admin, organization: str, entity: str) -> entities_pb2.GetEntityResponse:
    request = entities_pb2.GetEntityRequest(organization=organization, entity=entity)
    response: entities_pb2.GetEntityResponse = admin.call("entities", "GetEntity", request)
    return response


def entities(admin: Admin, organization: str, *, offline_only: bool = False) -> list[model_pb2.Entity]:
    request = entities_pb2.ListEntitiesRequest(organization=organization, offline_only=offline_only)
    return list(admin.call("entities", "ListEntities", request).entities)


def set_filter(admin: Admin, organization: str, entity: str, fetch_xml: str) -> model_pb2.Entity:
    request = entities_pb2.SetOrganizationFilterRequest(
        organization=organization, entity=entity, organization_filter=fetch_xml
    )
    found: model_pb2.Entity = admin.call("entities", "SetOrganizationFilter", request).entity
    return found


def test_the_shipped_documents_can_be_imported_twice(admin: Admin) -> None:
    name = admin.organization(standard=False)
    first = admin.import_metadata(name, dict(standard_documents()))
    assert list(first.added) == standard_names()
    listed = entities(admin, name)
    assert [it.logical_name for it in listed] == standard_names()
    assert not any(it.attributes for it in listed)
    again = admin.import_metadata(name, dict(standard_documents()))
    assert (list(again.added), list(again.changed)) == ([], [])
    assert list(again.unchanged) == standard_names()
    assert entities(admin, name) == listed


def test_an_entity_is_shown_with_the_relationships_on_either_side(admin: Admin) -> None:
    shown = get(admin, admin.organization(), "team")
    names = {it.schema_name for it in shown.relationships}
    assert {"teammembership_association", "team_system_users"} <= names
    assert "contact_customer_accounts" not in names
    assert [it.number for it in shown.entity.attributes] == sorted(it.number for it in shown.entity.attributes)


def test_numbers_survive_every_import(admin: Admin) -> None:
    name = admin.organization(standard=False)
    admin.import_metadata(name, {"a": document("a", "x", "y"), "b": document("b")})
    before = {it.logical_name: it.number for it in get(admin, name, "a").entity.attributes}
    admin.import_metadata(name, {"c": document("c"), "a": document("a", "z", "y")})
    after = {it.logical_name: it.number for it in get(admin, name, "a").entity.attributes}
    assert after == {"aid": before["aid"], "y": before["y"], "z": max(before.values()) + 1}
    assert {it.logical_name: it.number for it in entities(admin, name)} == {"a": 1, "b": 2, "c": 3}


def test_a_changed_type_refuses_the_whole_import(admin: Admin) -> None:
    name = admin.organization(standard=False)
    admin.import_metadata(name, {"a": document("a", "x")})
    before = get(admin, name, "a")
    with refused(CODE.FAILED_PRECONDITION, "METADATA_INCOMPATIBLE", "a.x is STRING", "INTEGER"):
        admin.import_metadata(name, {"b": document("b"), "a": document("a", "x", kind="Integer")})
    assert get(admin, name, "a") == before
    assert [it.logical_name for it in entities(admin, name)] == ["a"]


def test_relationships_appear_when_both_ends_are_known(admin: Admin) -> None:
    name = admin.organization(standard=False)
    link = {"SchemaName": "a_b", "ReferencingAttribute": "b", "ReferencedEntity": "b"}
    admin.import_metadata(name, {"a": document("a", "b", kind="Lookup", ManyToOneRelationships=[link])})
    assert not get(admin, name, "a").relationships
    admin.import_metadata(name, {"b": document("b")})
    assert [it.schema_name for it in get(admin, name, "a").relationships] == ["a_b"]
    answer = admin.import_metadata(name, {"a": document("a", "b", kind="Lookup")})
    assert list(answer.changed) == ["a"]
    assert not get(admin, name, "b").relationships


def test_one_relationship_cannot_mean_two_things(admin: Admin) -> None:
    name = admin.organization(standard=False)
    link = {"SchemaName": "link", "ReferencingAttribute": "to", "ReferencedEntity": "a"}
    both = {it: document(it, "to", kind="Lookup", ManyToOneRelationships=[link]) for it in ("a", "b")}
    with refused(CODE.INVALID_ARGUMENT, "METADATA_INVALID", "relationship link"):
        admin.import_metadata(name, both)
    assert entities(admin, name) == []


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ({"broken.json": b"{"}, "METADATA_INVALID"),
        ({"one": document("a"), "two": document("a")}, "METADATA_INVALID"),
        ({"huge": b" " * (8 * 1024 * 1024 + 1)}, "REQUEST_INVALID"),
    ],
)
def test_what_cannot_be_read_is_refused(documents: dict[str, bytes], reason: str, admin: Admin) -> None:
    name = admin.organization(standard=False)
    with refused(CODE.INVALID_ARGUMENT, reason):
        admin.import_metadata(name, documents)


def test_enabling_sets_the_organization_filter(admin: Admin) -> None:
    name = admin.organization()
    xml = '<filter><condition attribute="statecode" operator="eq" value="0"/></filter>'
    admin.enable(name, "account", organization_filter=xml)
    enabled = get(admin, name, "account").entity
    assert (enabled.logical_name, enabled.offline, enabled.organization_filter.fetch_xml) == ("account", True, xml)
    admin.enable(name, "account")
    assert not get(admin, name, "account").entity.HasField("organization_filter")
    request = entities_pb2.DisableEntityRequest(organization=name, entity="account")
    assert not admin.call("entities", "DisableEntity", request).entity.offline
    assert "account" not in {it.logical_name for it in entities(admin, name, offline_only=True)}


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<filter>", "FILTER_MALFORMED"),
        ('<filter><condition attribute="statecode" operator="sings"/></filter>', "FILTER_OPERATOR_UNKNOWN"),
        ('<filter><condition attribute="statecode" operator="eq"/></filter>', "FILTER_OPERAND_INVALID"),
        (
            "<filter>" + '<condition attribute="statecode" operator="eq" value="0"/>' * 4 + "</filter>",
            "FILTER_TOO_LARGE",
        ),
    ],
)
def test_a_bad_organization_filter_is_refused(xml: str, reason: str, admin: Admin) -> None:
    name = admin.organization()
    before = get(admin, name, "account").entity
    with refused(CODE.INVALID_ARGUMENT, reason, "account"):
        admin.enable(name, "account", organization_filter=xml)
    with refused(CODE.INVALID_ARGUMENT, reason, "account"):
        set_filter(admin, name, "account", xml)
    assert get(admin, name, "account").entity == before


def test_an_unknown_entity_is_not_found(admin: Admin) -> None:
    name = admin.organization()
    with refused(CODE.NOT_FOUND, "ENTITY_UNKNOWN", "submarine"):
        admin.enable(name, "submarine")
    with refused(CODE.NOT_FOUND, "ENTITY_UNKNOWN", "submarine"):
        get(admin, name, "submarine")
    with refused(CODE.NOT_FOUND, "ENTITY_UNKNOWN", "submarine"):
        request = entities_pb2.DisableEntityRequest(organization=name, entity="submarine")
        admin.call("entities", "DisableEntity", request)


def test_an_import_that_would_break_an_enabled_filter_is_refused(admin: Admin) -> None:
    name = admin.organization(standard=False)
    admin.import_metadata(name, {"a": document("a", "x", "y")})
    admin.enable(name, "a", organization_filter='<filter><condition attribute="x" operator="eq" value="1"/></filter>')
    with refused(CODE.FAILED_PRECONDITION, "METADATA_INCOMPATIBLE", "organization filter of a"):
        admin.import_metadata(name, {"a": document("a", "y")})
