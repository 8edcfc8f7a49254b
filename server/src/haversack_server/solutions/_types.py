"""Words that customizations.xml has for kinds of attributes and owners, and those of EntityMetadata for the same."""

from __future__ import annotations

from haversack.model.v1 import model_pb2

PRIMARY_KEY = "primarykey"

TYPES = {
    "nvarchar": "String",
    "ntext": "Memo",
    "memo": "Memo",
    "int": "Integer",
    "bigint": "BigInt",
    "decimal": "Decimal",
    "money": "Money",
    "float": "Double",
    "bit": "Boolean",
    "picklist": "Picklist",
    "state": "State",
    "status": "Status",
    "multiselectpicklist": "MultiSelectPicklist",
    "datetime": "DateTime",
    PRIMARY_KEY: "Uniqueidentifier",
    "uniqueidentifier": "Uniqueidentifier",
    "lookup": "Lookup",
    "owner": "Owner",
    "customer": "Customer",
    "entityname": "EntityName",
}
"""EntityMetadata's AttributeType, by `Type`."""

WRITTEN_TYPES = {
    model_pb2.ATTRIBUTE_TYPE_STRING: "nvarchar",
    model_pb2.ATTRIBUTE_TYPE_MEMO: "ntext",
    model_pb2.ATTRIBUTE_TYPE_INTEGER: "int",
    model_pb2.ATTRIBUTE_TYPE_BIGINT: "bigint",
    model_pb2.ATTRIBUTE_TYPE_DECIMAL: "decimal",
    model_pb2.ATTRIBUTE_TYPE_MONEY: "money",
    model_pb2.ATTRIBUTE_TYPE_DOUBLE: "float",
    model_pb2.ATTRIBUTE_TYPE_BOOLEAN: "bit",
    model_pb2.ATTRIBUTE_TYPE_PICKLIST: "picklist",
    model_pb2.ATTRIBUTE_TYPE_STATE: "state",
    model_pb2.ATTRIBUTE_TYPE_STATUS: "status",
    model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST: "multiselectpicklist",
    model_pb2.ATTRIBUTE_TYPE_DATETIME: "datetime",
    model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: "datetime",
    model_pb2.ATTRIBUTE_TYPE_DATE_ONLY: "datetime",
    model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: "uniqueidentifier",
    model_pb2.ATTRIBUTE_TYPE_LOOKUP: "lookup",
    model_pb2.ATTRIBUTE_TYPE_OWNER: "owner",
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: "customer",
    model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME: "entityname",
}
"""`Type`, by the kind of attribute."""

BEHAVIORS = {"1": "UserLocal", "2": "DateOnly", "3": "TimeZoneIndependent"}
"""EntityMetadata's DateTimeBehavior, by `Behavior`."""

WRITTEN_BEHAVIORS = {
    model_pb2.ATTRIBUTE_TYPE_DATETIME: ("datetime", "1"),
    model_pb2.ATTRIBUTE_TYPE_DATE_ONLY: ("date", "2"),
    model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: ("datetime", "3"),
}
"""`Format` and `Behavior`, by the kind of time."""

OPTIONS = {"state": ("states", "state"), "status": ("statuses", "status")}
"""The elements that list a choice's options, by `Type`; other choices have `options` of `option`."""

OWNERSHIPS = {"OrgOwned": "OrganizationOwned"}
"""EntityMetadata's OwnershipType, by `OwnershipTypeMask`, where the two differ."""

WRITTEN_OWNERSHIPS = {
    model_pb2.OWNERSHIP_USER: "UserOwned",
    model_pb2.OWNERSHIP_BUSINESS: "BusinessOwned",
    model_pb2.OWNERSHIP_ORGANIZATION: "OrgOwned",
    model_pb2.OWNERSHIP_NONE: "None",
}
"""`OwnershipTypeMask`, by the owner."""


def form_name(entity: model_pb2.Entity) -> str:
    """Returns what the form calls an entity: its schema name, if that leads back to the logical name."""
    leads_back = entity.schema_name.lower() == entity.logical_name
    return entity.schema_name if leads_back else entity.logical_name


def intersect_columns(entity1: str, entity2: str) -> tuple[str, str]:
    """Returns what Dataverse names the two lookups of an intersect entity; the form does not say it."""
    return (f"{entity1}idone", f"{entity1}idtwo") if entity1 == entity2 else (f"{entity1}id", f"{entity2}id")
