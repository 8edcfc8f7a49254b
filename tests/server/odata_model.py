"""What the tests' OData service serves: entity sets, and the `$metadata` that describes them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

GOLDEN = Path(__file__).parents[1] / "golden" / "odata"


def golden(name: str) -> bytes:
    """A recorded document; the large ones are kept compressed."""
    packed = GOLDEN / f"{name}.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (GOLDEN / name).read_bytes()


@dataclass
class Served:
    """An entity set.

    Attributes:
        name: Of the set.
        type: Name of the entity type.
        key: Name of the key.
        properties: Types by name.
        links: Navigation properties by name: (type that it leads to, property here, property there).
        tracked: Whether changes are tracked.
        versioned: Whether rows have versions.
        extra: More XML of the type.
    """

    name: str
    type: str
    key: str
    properties: dict[str, str]
    links: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    tracked: bool = True
    versioned: bool = True
    extra: str = ""


def dataverse() -> list[Served]:
    """A small Dataverse: two entities that people work with, and the directory."""
    guid, text, whole = "Edm.Guid", "Edm.String", "Edm.Int32"
    owned = {
        "_ownerid_value": guid,
        "_owninguser_value": guid,
        "_owningbusinessunit_value": guid,
        "modifiedon": "Edm.DateTimeOffset",
    }
    owner = {
        "ownerid": ("principal", "_ownerid_value", "ownerid"),
        "owninguser": ("systemuser", "_owninguser_value", "systemuserid"),
        "owningbusinessunit": ("businessunit", "_owningbusinessunit_value", "businessunitid"),
    }
    account = {
        **{"name": text, "revenue": "Edm.Decimal", "statecode": whole, "description": text},
        **{"_primarycontactid_value": guid, **owned},
    }
    contact = {"fullname": text, "_parentcustomerid_value": guid, **owned}
    parents = {f"parentcustomerid_{it}": (it, "_parentcustomerid_value", f"{it}id") for it in ("account", "contact")}
    primary = {"primarycontactid": ("contact", "_primarycontactid_value", "contactid")}
    return [
        Served("accounts", "account", "accountid", {"accountid": guid, **account}, {**owner, **primary}),
        Served("contacts", "contact", "contactid", {"contactid": guid, **contact}, {**owner, **parents}),
        *_directory(),
    ]


def _directory() -> list[Served]:
    guid, text, whole = "Edm.Guid", "Edm.String", "Edm.Int32"
    unit = {"businessunitid": ("businessunit", "_businessunitid_value", "businessunitid")}
    user = {
        **{"fullname": text, "domainname": text, "isdisabled": "Edm.Boolean", "_businessunitid_value": guid},
        **{"azureactivedirectoryobjectid": guid},
    }
    parent = {"parentbusinessunitid": ("businessunit", "_parentbusinessunitid_value", "businessunitid")}
    share = {"principalid": guid, "principaltypecode": text, "objectid": guid, "objecttypecode": text}
    return [
        Served("systemusers", "systemuser", "systemuserid", {"systemuserid": guid, **user}, unit),
        Served(
            *("businessunits", "businessunit", "businessunitid"),
            {"businessunitid": guid, "name": text, "_parentbusinessunitid_value": guid},
            parent,
        ),
        Served("teams", "team", "teamid", {"teamid": guid, "name": text, "_businessunitid_value": guid}, unit),
        Served(
            *("teammemberships", "teammembership", "teammembershipid"),
            {"teammembershipid": guid, "teamid": guid, "systemuserid": guid},
        ),
        Served(
            *("roles", "role", "roleid"),
            {"roleid": guid, "name": text, "_businessunitid_value": guid, "isinherited": whole},
            unit,
        ),
        Served(
            *("systemuserrolescollection", "systemuserroles", "systemuserroleid"),
            {"systemuserroleid": guid, "systemuserid": guid, "roleid": guid},
        ),
        Served(
            *("teamrolescollection", "teamroles", "teamroleid"), {"teamroleid": guid, "teamid": guid, "roleid": guid}
        ),
        Served(
            *("roleprivilegescollection", "roleprivileges", "roleprivilegeid"),
            {"roleprivilegeid": guid, "roleid": guid, "privilegeid": guid, "privilegedepthmask": whole},
        ),
        Served("privileges", "privilege", "privilegeid", {"privilegeid": guid, "name": text, "accessright": whole}),
        Served(
            *("principalobjectaccessset", "principalobjectaccess", "principalobjectaccessid"),
            {"principalobjectaccessid": guid, **share, "accessrightsmask": whole, "inheritedaccessrightsmask": whole},
        ),
        Served(
            *("positions", "position", "positionid"),
            {"positionid": guid, "name": text, "_parentpositionid_value": guid},
            {"parentpositionid": ("position", "_parentpositionid_value", "positionid")},
        ),
        Served(
            *("usersettingscollection", "usersettings", "systemuserid"),
            {"systemuserid": guid, "uilanguageid": whole, "timezonecode": whole},
        ),
        Served(
            *("timezonedefinitions", "timezonedefinition", "timezonedefinitionid"),
            {"timezonedefinitionid": guid, "timezonecode": whole, "standardname": text},
        ),
    ]


def shop() -> list[Served]:
    """A service that is no Dataverse: keys of other kinds, names in capitals, things that no row can carry."""
    odd = (
        '<Property Name="Photo" Type="Edm.Stream"/><Property Name="Tags" Type="Collection(Edm.String)"/>'
        '<Property Name="Size" Type="Shop.Dimensions"/><Property Name="Where" Type="Edm.GeographyPoint"/>'
    )
    product = {
        **{"ID": "Edm.Int32", "Name": "Edm.String", "Price": "Edm.Decimal", "ModifiedAt": "Edm.DateTimeOffset"},
        **{"CategoryCode": "Edm.String", "Color": "Shop.Color", "OpensAt": "Edm.TimeOfDay", "Since": "Edm.Date"},
    }
    category = {"Category": ("Category", "CategoryCode", "Code")}
    return [
        Served("Products", "Product", "ID", product, category, tracked=False, extra=odd),
        Served(
            *("Categories", "Category", "Code"),
            {"Code": "Edm.String", "Title": "Edm.String"},
            tracked=False,
            versioned=True,
        ),
        Served("Notes", "Note", "Id", {"Id": "Edm.String", "Text": "Edm.String"}, tracked=False, versioned=False),
        Served("Lines", "Line", "Order,Number", {"Order": "Edm.Int32", "Number": "Edm.Int32"}, tracked=False),
    ]


def metadata(namespace: str, sets: list[Served]) -> str:
    """The `$metadata` of entity sets."""
    types = "".join(_type(namespace, it) for it in sets)
    contained = "".join(f'<EntitySet Name="{it.name}" EntityType="{namespace}.{it.type}"/>' for it in sets)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="{namespace}" Alias="self" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="principal" Abstract="true"><Key><PropertyRef Name="ownerid"/></Key>
<Property Name="ownerid" Type="Edm.Guid" Nullable="false"/></EntityType>
<EnumType Name="Color"><Member Name="Red" Value="0"/></EnumType>
<ComplexType Name="Dimensions"><Property Name="Width" Type="Edm.Int32"/></ComplexType>
{types}
<EntityContainer Name="All">{contained}</EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


def _type(namespace: str, served: Served) -> str:
    keys = served.key.split(",")
    key = "".join(f'<PropertyRef Name="{it}"/>' for it in keys)
    properties = "".join(
        f'<Property Name={quoteattr(name)} Type="{type_}" Nullable="{"false" if name in keys else "true"}"/>'
        for name, type_ in served.properties.items()
    )
    links = "".join(
        f'<NavigationProperty Name="{name}" Type="self.{target}">'
        f'<ReferentialConstraint Property="{here}" ReferencedProperty="{there}"/></NavigationProperty>'
        for name, (target, here, there) in served.links.items()
    )
    return f'<EntityType Name="{served.type}"><Key>{key}</Key>{properties}{served.extra}{links}</EntityType>'
