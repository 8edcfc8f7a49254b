"""A solution as its documents have it, in Dataverse's words, before anybody asks what it means here."""

from __future__ import annotations

from dataclasses import dataclass, field

from haversack_server.solutions._xml import Element


@dataclass(frozen=True)
class FormAssociation:
    """A MobileOfflineProfileItemAssociation.

    Attributes:
        id: GUID, bare and in lower case.
        name: Name for people.
        relationship: RelationshipDisplayName: schema name of the relationship.
        filter: FetchXML; empty means none.
    """

    id: str
    name: str
    relationship: str
    filter: str = ""


@dataclass(frozen=True)
class FormItem:
    """A MobileOfflineProfileItem.

    Attributes:
        id: GUID, bare and in lower case.
        name: Name for people.
        entity: EntitySchemaName.
        criteria: RecordDistributionCriteria: 0 related, 1 all, 2 other, 3 custom.
        owned_by_me: RecordsOwnedByMe.
        owned_by_my_teams: RecordsOwnedByMyTeam.
        owned_by_my_business_unit: RecordsOwnedByMyBusinessUnit.
        filter: FetchXML; empty means none.
        associations: What its rows pull in.
    """

    id: str
    name: str
    entity: str
    criteria: int
    owned_by_me: bool = False
    owned_by_my_teams: bool = False
    owned_by_my_business_unit: bool = False
    filter: str = ""
    associations: tuple[FormAssociation, ...] = ()


@dataclass(frozen=True)
class FormProfile:
    """A MobileOfflineProfile.

    Attributes:
        id: GUID, bare and in lower case.
        name: Its unique name.
        items: What it carries.
        description: What it is for; empty if it does not say.
    """

    id: str
    name: str
    items: tuple[FormItem, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Header:
    """What solution.xml says of a solution.

    Attributes:
        unique_name: Its unique name.
        version: Its version.
        publisher: Its publisher's unique name.
        prefix: The publisher's customization prefix.
    """

    unique_name: str
    version: str
    publisher: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class Solution:
    """A solution.

    Attributes:
        header: What it is.
        profiles: Its profiles.
        entities: Its `Entity` elements: metadata.
        relationships: Its `EntityRelationship` elements.
        option_sets: Its global `optionset` elements.
        notes: What else was in its zip, one sentence each.
    """

    header: Header
    profiles: tuple[FormProfile, ...]
    entities: tuple[Element, ...] = ()
    relationships: tuple[Element, ...] = ()
    option_sets: tuple[Element, ...] = ()
    notes: tuple[str, ...] = field(default=())
