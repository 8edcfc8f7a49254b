"""A solution as documents.

The order of elements is fixed by the public schema; GUIDs are bare in attributes and braced in elements; booleans are
0 and 1.
"""

from __future__ import annotations

from haversack_server.errors import RequestInvalid, SolutionInvalid
from haversack_server.solutions._form import FormAssociation, FormItem, FormProfile, Header, Solution
from haversack_server.solutions._xml import Element, element, leaf, write_xml
from haversack_server.solutions._zip import CONTENT_TYPES, CUSTOMIZATIONS, SOLUTION, read_archive, write_archive

LANGUAGE = "1033"
"""Labels have a language there and none here; English stands for "the only one"."""
PACKAGE_VERSION = "9.2"
PROFILE_COMPONENT = "161"
"""Component type of a profile."""
ENTITY_COMPONENT = "1"

_TYPES = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/octet-stream" /></Types>\n'
)
_EMPTY_SECTIONS = ("Roles", "Workflows", "FieldSecurityProfiles", "Templates", "EntityMaps")
_OPTION_PREFIX = "10000"


def write_solution(solution: Solution) -> bytes:
    """Packs a solution; raises RequestInvalid if it would be larger than an import takes."""
    documents = {
        CONTENT_TYPES: _TYPES.encode(),
        SOLUTION: write_xml(_solution(solution)),
        CUSTOMIZATIONS: write_xml(_customizations(solution)),
    }
    packed = write_archive(documents)
    try:
        read_archive(packed)
    except SolutionInvalid as error:
        raise RequestInvalid(f"the solution would be too large: {error}; export fewer profiles at once") from error
    return packed


def _solution(solution: Solution) -> Element:
    header = solution.header
    roots = [_root(ENTITY_COMPONENT, schemaName=it.value("Name").lower()) for it in solution.entities]
    roots += [_root(PROFILE_COMPONENT, id=_braced(it.id)) for it in solution.profiles]
    manifest = element(
        "SolutionManifest",
        leaf("UniqueName", header.unique_name),
        _localized(header.unique_name),
        element("Descriptions"),
        leaf("Version", header.version),
        leaf("Managed", "0"),
        _publisher(header),
        element("RootComponents", *roots),
        element("MissingDependencies"),
    )
    return element(
        "ImportExportXml", manifest, version=PACKAGE_VERSION, SolutionPackageVersion=PACKAGE_VERSION,
        languagecode=LANGUAGE, generatedBy="Haversack",
    )  # fmt: skip


def _root(kind: str, **named: str) -> Element:
    return element("RootComponent", type=kind, **named, behavior="0")


def _publisher(header: Header) -> Element:
    return element(
        "Publisher",
        leaf("UniqueName", header.publisher),
        _localized(header.publisher),
        element("Descriptions"),
        leaf("CustomizationPrefix", header.prefix),
        leaf("CustomizationOptionValuePrefix", _OPTION_PREFIX),
    )


def _localized(name: str) -> Element:
    return element("LocalizedNames", element("LocalizedName", description=name, languagecode=LANGUAGE))


def _customizations(solution: Solution) -> Element:
    return element(
        "ImportExportXml",
        element("Entities", *solution.entities),
        *(element(section) for section in _EMPTY_SECTIONS),
        element("EntityRelationships", *solution.relationships),
        element("OrganizationSettings"),
        element("optionsets"),
        element("MobileOfflineProfiles", *(_profile(it) for it in solution.profiles)),
        element("Languages", leaf("Language", LANGUAGE)),
    )


def _profile(profile: FormProfile) -> Element:
    return element(
        "MobileOfflineProfile",
        element("MobileOfflineProfileItems", *(_item(it, profile) for it in profile.items)),
        leaf("MobileOfflineProfileId", _braced(profile.id)),
        leaf("Name", profile.name),
        *([leaf("Description", profile.description)] if profile.description else ()),
        _introduced(),
        MobileOfflineProfileId=profile.id,
        Name=profile.name,
    )


def _item(item: FormItem, profile: FormProfile) -> Element:
    return element(
        "MobileOfflineProfileItem",
        element("MobileOfflineProfileItemAssociations", *(_association(it, item) for it in item.associations)),
        leaf("MobileOfflineProfileItemId", _braced(item.id)),
        leaf("RegardingObjectId", _braced(profile.id)),
        leaf("Name", item.name),
        leaf("RecordDistributionCriteria", str(item.criteria)),
        _boolean("RecordsOwnedByMe", item.owned_by_me),
        _boolean("RecordsOwnedByMyTeam", item.owned_by_my_teams),
        _boolean("RecordsOwnedByMyBusinessUnit", item.owned_by_my_business_unit),
        leaf("ProfileItemEntityFilter", item.filter),
        leaf("EntitySchemaName", item.entity),
        _introduced(),
        MobileOfflineProfileItemId=item.id,
        Name=item.name,
    )


def _association(association: FormAssociation, item: FormItem) -> Element:
    return element(
        "MobileOfflineProfileItemAssociation",
        leaf("MobileOfflineProfileItemAssociationId", _braced(association.id)),
        leaf("MobileOfflineProfileItemId", _braced(item.id)),
        leaf("Name", association.name),
        leaf("RelationshipDisplayName", association.relationship),
        leaf("ProfileItemAssociationEntityFilter", association.filter),
        MobileOfflineProfileItemAssociationId=association.id,
        Name=association.name,
    )


def _introduced() -> Element:
    return leaf("IntroducedVersion", "1.0.0.0")


def _boolean(tag: str, value: bool) -> Element:
    return leaf(tag, "1" if value else "0")


def _braced(guid: str) -> str:
    return f"{{{guid}}}"
