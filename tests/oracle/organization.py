"""Puts a random world into a real organization: metadata, rows and profiles through the admin endpoint."""

import json
from collections.abc import Mapping

from haversack.admin.v1 import admin_pb2
from haversack.model.v1 import filter_pb2, model_pb2
from haversack_server.demo.organization import Organization
from oracle import filters
from oracle.schema import OWNERSHIP, metadata_document, shares_document
from oracle.world import Association, Change, Item, Row, World


def line(row: Row) -> str:
    """A row as the Web API writes it: lookups that can point at several entities say at which."""
    written = {name: value for name, value in row.items() if value is not None and not name.endswith("_type")}
    for name in [name for name in row if name.endswith("_type")]:
        lookup = name.removesuffix("_type")
        written[f"_{lookup}_value"] = written.pop(lookup)
        written[f"_{lookup}_value@Microsoft.Dynamics.CRM.lookuplogicalname"] = row[name]
    return json.dumps(written, ensure_ascii=False)


def apply(organization: Organization, change: Change) -> None:
    """Ingests a change."""
    action = admin_pb2.INGEST_ACTION_DELETE if change.deleted else admin_pb2.INGEST_ACTION_UPSERT
    lines = "\n".join(line(row) for row in change.rows).encode()
    organization.ingest(change.entity, lines, action, admin_pb2.INGEST_FORMAT_JSON_LINES)


def populate(organization: Organization, world: World) -> None:
    """Makes the organization and its first rows."""
    organization.create()
    documents = [(f"{entity}.json", metadata_document(entity)) for entity in OWNERSHIP]
    organization.import_metadata([*documents, ("shares.json", shares_document())])
    for change in [*world.directory(), *(world.upserts(entity, 25) for entity in OWNERSHIP)]:
        apply(organization, change)


def limit(organization: Organization, limits: Mapping[str, filters.Filter | None]) -> None:
    """Sets every entity's organization filter; the next publish makes them count."""
    for entity, chosen in limits.items():
        organization.enable(entity, chosen.fetch_xml if chosen else "")


def draft(items: list[Item], users: list[str], teams: list[str]) -> model_pb2.Profile:
    """A profile of these items and members."""
    return model_pb2.Profile(name="field", users=users, teams=teams, items=[_item(item) for item in items])


def _filter(chosen: filters.Filter | None) -> filter_pb2.Filter | None:
    return filter_pb2.Filter(fetch_xml=chosen.fetch_xml) if chosen else None


def _item(item: Item) -> model_pb2.ProfileItem:
    return model_pb2.ProfileItem(
        entity=item.entity,
        criteria=f"RECORD_CRITERIA_{item.criteria}",
        owned_by_me=item.mine,
        owned_by_my_teams=item.my_teams,
        owned_by_my_business_unit=item.my_unit,
        filter=_filter(item.filter),
        associations=[_association(association) for association in item.associations],
    )


def _association(association: Association) -> model_pb2.Association:
    return model_pb2.Association(
        relationship=association.relationship,
        direction=f"ASSOCIATION_DIRECTION_{association.direction}",
        filter=_filter(association.filter),
    )
