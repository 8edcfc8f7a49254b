"""Which entities may go offline from the start, which never may, and what organization filters they keep."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import entities_pb2
from haversack.model.v1 import model_pb2
from haversack_server.metadata import standard_documents
from server.refusals import refused
from server.running import Admin
from server.test_entities import document, entities, get, set_filter

CODE = grpc.StatusCode
TWENTY = (
    "account activitymimeattachment annotation appointment competitor competitoraddress contact email entitlement "
    "incident lead opportunity opportunityproduct product queue queueitem slakpiinstance systemuser task team"
).split()
RECENT = '<condition attribute="modifiedon" operator="last-x-days" value="10"/>'
OPEN_ONLY = '<filter><condition attribute="statecode" operator="eq" value="0"/></filter>'


def enable(admin: Admin, organization: str, entity: str, **filter_: str) -> model_pb2.Entity:
    request = entities_pb2.EnableEntityRequest(organization=organization, entity=entity, **filter_)
    found: model_pb2.Entity = admin.call("entities", "EnableEntity", request).entity
    return found


def disable(admin: Admin, organization: str, entity: str) -> None:
    admin.call("entities", "DisableEntity", entities_pb2.DisableEntityRequest(organization=organization, entity=entity))


def test_twenty_entities_are_enabled_from_the_start(admin: Admin) -> None:
    name = admin.organization(standard=False)
    notes = admin.import_metadata(name, dict(standard_documents())).notes
    enabled = {it.logical_name: it for it in entities(admin, name, offline_only=True)}
    assert list(enabled) == TWENTY
    limited = {entity for entity, it in enabled.items() if RECENT in it.organization_filter.fetch_xml}
    assert set(TWENTY) - limited == {"activitymimeattachment"}, "it has no time of modification"
    assert any("activitymimeattachment is enabled" in note and "no organization filter" in note for note in notes)


def test_later_imports_leave_what_administrators_have_set(admin: Admin) -> None:
    name = admin.organization()
    disable(admin, name, "lead")
    set_filter(admin, name, "task", OPEN_ONLY)
    enable(admin, name, "pricelevel")
    again = dict(standard_documents())
    again["lead"] = json.dumps(json.loads(again["lead"]) | {"DisplayName": "Prospect"}).encode()
    assert list(admin.import_metadata(name, again).changed) == ["lead"]
    enabled = {it.logical_name for it in entities(admin, name, offline_only=True)}
    assert enabled == {*TWENTY, "pricelevel"} - {"lead"}
    assert get(admin, name, "task").entity.organization_filter.fetch_xml == OPEN_ONLY


def test_a_filter_stays_until_another_one_is_given(admin: Admin) -> None:
    name = admin.organization()
    assert RECENT in enable(admin, name, "account").organization_filter.fetch_xml
    assert enable(admin, name, "account", organization_filter=OPEN_ONLY).organization_filter.fetch_xml == OPEN_ONLY
    disable(admin, name, "account")
    assert not get(admin, name, "account").entity.HasField("organization_filter")
    with refused(CODE.FAILED_PRECONDITION, "ENTITY_NOT_ENABLED", "account", "enable it"):
        set_filter(admin, name, "account", OPEN_ONLY)
    assert enable(admin, name, "account").organization_filter.fetch_xml == OPEN_ONLY
    assert not enable(admin, name, "account", organization_filter="").HasField("organization_filter")
    assert set_filter(admin, name, "account", OPEN_ONLY).organization_filter.fetch_xml == OPEN_ONLY
    assert not set_filter(admin, name, "account", "").HasField("organization_filter")
    assert not enable(admin, name, "pricelevel").HasField("organization_filter")


def test_a_kept_filter_that_metadata_has_outgrown_is_refused_with_a_way_out(admin: Admin) -> None:
    name = admin.organization(standard=False)
    admin.import_metadata(name, {"a": document("a", "x", "y")})
    enable(admin, name, "a", organization_filter='<filter><condition attribute="x" operator="eq" value="1"/></filter>')
    disable(admin, name, "a")
    admin.import_metadata(name, {"a": document("a", "y")})
    with refused(CODE.NOT_FOUND, "ATTRIBUTE_UNKNOWN", "give another one, or none"):
        enable(admin, name, "a")
    enable(admin, name, "a", organization_filter="")


REAL_FILTER = (
    f'<fetch version="1.0" mapping="logical"><entity name="a"><filter type="and">{RECENT}</filter></entity></fetch>'
)


@pytest.mark.parametrize(
    ("said", "offline", "filtered"),
    [
        ({}, False, ""),
        ({"IsOfflineInMobileClientByDefault": True}, True, RECENT),
        ({"IsOfflineInMobileClientByDefault": True, "IsOfflineInMobileClient": False}, False, ""),
        ({"IsOfflineInMobileClient": True}, True, ""),
        ({"IsOfflineInMobileClient": {"Value": True}, "MobileOfflineFilters": REAL_FILTER}, True, REAL_FILTER),
        ({"IsOfflineInMobileClientByDefault": True, "MobileOfflineFilters": ""}, True, ""),
        ({"IsOfflineInMobileClient": True, "IsVisibleInMobileClient": {"Value": False}}, False, ""),
        ({"IsOfflineInMobileClient": True, "MobileOfflineFilters": "<filter>"}, False, ""),
    ],
)
def test_documents_say_whether_an_entity_is_offline(
    said: dict[str, Any], offline: bool, filtered: str, admin: Admin
) -> None:
    name = admin.organization(standard=False)
    notes = admin.import_metadata(name, {"a": document("a", "modifiedon", kind="DateTime", **said)}).notes
    entity = get(admin, name, "a").entity
    assert entity.offline == offline
    assert filtered in entity.organization_filter.fetch_xml
    assert bool(filtered) == entity.HasField("organization_filter")
    assert any("a is not enabled for offline use: organization filter of a" in it for it in notes) == (
        said.get("MobileOfflineFilters") == "<filter>"
    )


def test_what_is_not_enabled_for_mobile_cannot_go_offline(admin: Admin) -> None:
    name = admin.organization(standard=False)
    hidden: dict[str, Any] = {"IsVisibleInMobileClient": {"Value": False, "CanBeChanged": True}}
    admin.import_metadata(name, {"a": document("a", **hidden), "b": document("b")})
    assert [get(admin, name, it).mobile for it in "ab"] == [False, True]
    listed = admin.call("entities", "ListEntities", entities_pb2.ListEntitiesRequest(organization=name))
    assert list(listed.not_mobile) == ["a"]
    with refused(CODE.FAILED_PRECONDITION, "ENTITY_NOT_MOBILE", "a is not enabled for mobile"):
        enable(admin, name, "a")
    assert list(admin.import_metadata(name, {"a": document("a", IsVisibleInMobileClient=True)}).changed) == ["a"]
    enable(admin, name, "a")
    notes = admin.import_metadata(name, {"a": document("a", **hidden)}).notes
    assert any("stays enabled for offline use" in note for note in notes)
    with refused(CODE.INVALID_ARGUMENT, "METADATA_INVALID", "IsVisibleInMobileClient must be true or false"):
        admin.import_metadata(name, {"a": document("a", IsVisibleInMobileClient="maybe")})
