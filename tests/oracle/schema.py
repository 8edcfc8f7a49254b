"""The entities of random organizations: names, ownership, attributes, relationships; and their metadata documents."""

import json
from typing import Any

from haversack_server.metadata import standard_documents

# Attributes of the business entities, beside ids and lookups.
COMMON: dict[str, dict[str, str]] = {
    "name": {"AttributeType": "String"},
    "label": {"AttributeType": "Memo"},
    "score": {"AttributeType": "Integer"},
    "rank": {"AttributeType": "Integer"},
    "amount": {"AttributeType": "Money"},
    "flag": {"AttributeType": "Boolean"},
    "choices": {"AttributeType": "Virtual", "AttributeTypeName": "MultiSelectPicklistType"},
    "modifiedon": {"AttributeType": "DateTime"},
    "due": {"AttributeType": "DateTime"},
    "day": {"AttributeType": "DateTime", "Format": "DateOnly"},
}
OWNERSHIP = {
    "site": "UserOwned",
    "visit": "UserOwned",
    "region": "BusinessOwned",
    "part": "OrganizationOwned",
    "remark": "None",
    "visitpart": "None",
}
LOOKUPS = {
    "visit": {"siteid": ["site"], "partid": ["part"]},
    "site": {"parentid": ["site"], "regionid": ["region"], "contactid": ["visit", "part"]},
    "remark": {"visitid": ["visit"]},
    "visitpart": {"visitid": ["visit"], "partid": ["part"]},
}
MANY_TO_MANY = {"visit_part": ("visitpart", "visit", "visitid", "part", "partid")}
ONE_TO_MANY = {
    f"{entity}_{attribute}_{target}": (target, entity, attribute)
    for entity, lookups in LOOKUPS.items()
    for attribute, targets in lookups.items()
    for target in targets
}
HIERARCHIES = {"site": "parentid", "systemuser": "parentsystemuserid"}
# Attributes with ids of a hierarchical entity's rows.
KIN = {
    "site": [("siteid", "site"), ("parentid", "site"), ("ownerid", "systemuser")],
    "visit": [("siteid", "site"), ("ownerid", "systemuser")],
}
# Entities whose rows are shared.
SHARED = ["site", "visit", "region"]
DEPTHS = {"basic": 1, "local": 2, "deep": 4, "global": 8}
READ = 2
# What roles speak of that is no entity of the metadata: who has read on it may sync.
PROFILE = "mobileofflineprofile"


def meetings(entity: str) -> list[tuple[str, str, str]]:
    """What the rows of an entity can be linked with: their attribute, the other entity, and its attribute."""
    found = []
    for target, referencing, attribute in ONE_TO_MANY.values():
        if entity == referencing:
            found.append((attribute, target, f"{target}id"))
        if entity == target:
            found.append((f"{target}id", referencing, attribute))
    if OWNERSHIP[entity] == "UserOwned":
        found.append(("ownerid", "teammembership", "teamid"))
    return found


def metadata_document(entity: str) -> bytes:
    """An entity's metadata in the form that `haversack entity import` reads."""
    attributes: list[dict[str, Any]] = [
        {"LogicalName": f"{entity}id", "AttributeType": "Uniqueidentifier", "IsPrimaryId": True},
        *({"LogicalName": name, **kind} for name, kind in COMMON.items()),
        *(
            {"LogicalName": name, "AttributeType": "Lookup", "Targets": targets}
            for name, targets in LOOKUPS.get(entity, {}).items()
        ),
    ]
    if OWNERSHIP[entity] == "UserOwned":
        attributes.append({"LogicalName": "ownerid", "AttributeType": "Owner", "Targets": ["systemuser", "team"]})
    if OWNERSHIP[entity] in ("UserOwned", "BusinessOwned"):
        unit = "owningbusinessunit"
        attributes.append({"LogicalName": unit, "AttributeType": "Lookup", "Targets": ["businessunit"]})
    document = {
        "LogicalName": entity,
        "SchemaName": entity.title(),
        "EntitySetName": f"{entity}s",
        "PrimaryIdAttribute": f"{entity}id",
        "PrimaryNameAttribute": "name",
        "OwnershipType": OWNERSHIP[entity],
        "Attributes": attributes,
        "ManyToOneRelationships": [
            {
                "SchemaName": name,
                "ReferencingAttribute": attribute,
                "ReferencedEntity": target,
                "IsHierarchical": entity == target and HIERARCHIES.get(entity) == attribute,
            }
            for name, (target, referencing, attribute) in ONE_TO_MANY.items()
            if referencing == entity
        ],
        "ManyToManyRelationships": [
            {
                "SchemaName": name,
                "IntersectEntityName": intersect,
                "Entity1LogicalName": entity1,
                "Entity1IntersectAttribute": attribute1,
                "Entity2LogicalName": entity2,
                "Entity2IntersectAttribute": attribute2,
            }
            for name, (intersect, entity1, attribute1, entity2, attribute2) in MANY_TO_MANY.items()
            if intersect == entity
        ],
    }
    return json.dumps(document).encode()


def shares_document() -> bytes:
    """The shipped document of shares, which can be of our entities too."""
    document = json.loads(dict(standard_documents())["principalobjectaccess"])
    for attribute in document["Attributes"]:
        if attribute["LogicalName"] == "objectid":
            attribute["Targets"] = SHARED
    return json.dumps(document).encode()
