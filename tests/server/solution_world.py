"""A small organization for tests of solutions, without a server: sites, visits, tags, and what strangers pack."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from haversack.model.v1 import model_pb2
from haversack_server.catalog.entities import StoredEntity
from haversack_server.metadata import document_of, merge_entity
from haversack_server.publishing import Metadata

ORGANIZATION = "fieldco"


def entity(name: str, *attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An EntityMetadata document's content; names get their usual form."""
    own: list[dict[str, Any]] = [
        {"LogicalName": f"{name.lower()}id", "AttributeType": "Uniqueidentifier", "DisplayName": "Id"},
        {"LogicalName": "xyz_name", "AttributeType": "String", "MaxLength": 100, "DisplayName": "Name"},
    ]
    document = {
        "LogicalName": name.lower(),
        "SchemaName": name,
        "DisplayName": name.removeprefix("xyz_") + "s",
        "EntitySetName": name.lower() + "s",
        "OwnershipType": "UserOwned",
        "PrimaryIdAttribute": f"{name.lower()}id",
        "PrimaryNameAttribute": "xyz_name",
        "ManyToOneRelationships": [],
        **more,
    }
    if document["OwnershipType"] == "UserOwned":
        own += [{"LogicalName": "ownerid", "AttributeType": "Owner"}, lookup("owningbusinessunit", "businessunit")]
        unit = many_to_one(f"business_unit_{name.lower()}", "owningbusinessunit", "businessunit")
        document["ManyToOneRelationships"] = [*document["ManyToOneRelationships"], unit]
    return {**document, "Attributes": [*own, *attributes]}


def lookup(name: str, target: str) -> dict[str, Any]:
    return {"LogicalName": name, "AttributeType": "Lookup", "Targets": [target]}


def many_to_one(schema_name: str, attribute: str, referenced: str) -> dict[str, str]:
    return {"SchemaName": schema_name, "ReferencingAttribute": attribute, "ReferencedEntity": referenced}


def choice(name: str, kind: str, labels: Mapping[int, str]) -> dict[str, Any]:
    options = [{"Value": value, "Label": label} for value, label in labels.items()]
    return {"LogicalName": name, "AttributeType": kind, "OptionSet": {"Options": options}}


SITE = entity(
    "xyz_Site",
    choice("statecode", "State", {0: "Active", 1: "Inactive"}),
    choice("statuscode", "Status", {1: "Open", 2: "Closed"}),
    choice("xyz_kind", "Picklist", {-5: "Shop & café", 7: ""}),
    choice("xyz_traits", "MultiSelectPicklist", {1: "Big"}),
    {"LogicalName": "xyz_notes", "AttributeType": "Memo", "MaxLength": 2000},
    {"LogicalName": "xyz_visits", "AttributeType": "Integer"},
    {"LogicalName": "xyz_stamp", "AttributeType": "BigInt"},
    {"LogicalName": "xyz_area", "AttributeType": "Decimal"},
    {"LogicalName": "xyz_rent", "AttributeType": "Money"},
    {"LogicalName": "xyz_height", "AttributeType": "Double"},
    {"LogicalName": "xyz_open", "AttributeType": "Boolean"},
    {"LogicalName": "xyz_since", "AttributeType": "DateTime", "DateTimeBehavior": "DateOnly"},
    {"LogicalName": "xyz_seen", "AttributeType": "DateTime", "DateTimeBehavior": "UserLocal"},
    {"LogicalName": "xyz_opens", "AttributeType": "DateTime", "DateTimeBehavior": "TimeZoneIndependent"},
    {"LogicalName": "xyz_other", "AttributeType": "Uniqueidentifier"},
    {"LogicalName": "xyz_about", "AttributeType": "EntityName"},
    {"LogicalName": "xyz_buyer", "AttributeType": "Customer"},
    lookup("xyz_parent", "xyz_site"),
    ManyToOneRelationships=[many_to_one("xyz_site_parent", "xyz_parent", "xyz_site")],
)
VISIT = entity(
    "xyz_Visit",
    lookup("xyz_siteid", "xyz_site"),
    ManyToOneRelationships=[many_to_one("xyz_site_visit", "xyz_siteid", "xyz_site")],
)
TAG = entity("xyz_Tag", OwnershipType="OrganizationOwned")
SITE_TAG = {
    "LogicalName": "xyz_site_tag",
    "SchemaName": "xyz_site_tag",
    "OwnershipType": "None",
    "PrimaryIdAttribute": "xyz_site_tagid",
    "Attributes": [
        {"LogicalName": "xyz_site_tagid", "AttributeType": "Uniqueidentifier"},
        lookup("xyz_siteid", "xyz_site"),
        lookup("xyz_tagid", "xyz_tag"),
    ],
    "ManyToManyRelationships": [
        {
            "SchemaName": "xyz_Site_Tag",
            "IntersectEntityName": "xyz_site_tag",
            "Entity1LogicalName": "xyz_site",
            "Entity1IntersectAttribute": "xyz_siteid",
            "Entity2LogicalName": "xyz_tag",
            "Entity2IntersectAttribute": "xyz_tagid",
        }
    ],
}
DOCUMENTS: tuple[dict[str, Any], ...] = (SITE, VISIT, TAG, SITE_TAG)


def contents() -> dict[str, bytes]:
    """The documents as they are imported, by logical name."""
    return {it["LogicalName"]: json.dumps(it).encode() for it in DOCUMENTS}


def metadata(*sources: dict[str, Any], offline: bool = True) -> Metadata:
    """Metadata of documents; of all of them, if none is given."""
    stored, listed = {}, {}
    for number, source in enumerate(sources or DOCUMENTS, start=1):
        read = document_of("test", source)
        merged = merge_entity(read.entity, None, number=number)
        name = read.entity.logical_name
        stored[name] = StoredEntity(merged.entity, merged.last_number, offline=offline)
        listed[name] = list(read.relationships)
    return Metadata(ORGANIZATION, model_pb2.Settings(), stored, listed)


def packed(customizations: bytes | str, solution: bytes | str | None = None, **others: bytes) -> bytes:
    """A zip of a solution with these documents."""
    manifest = "<ImportExportXml><SolutionManifest><UniqueName>x</UniqueName></SolutionManifest></ImportExportXml>"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("solution.xml", manifest if solution is None else solution)
        archive.writestr("customizations.xml", customizations)
        for name, other in others.items():
            archive.writestr(name, other)
    return content.getvalue()
