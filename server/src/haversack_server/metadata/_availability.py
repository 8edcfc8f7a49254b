"""What a metadata document says about going offline: whether an entity may, and whether it does from the start.

Sources: `IsVisibleInMobileClient` ("Enable for mobile"), `IsOfflineInMobileClient` ("Enable for mobile offline") and
`MobileOfflineFilters` of EntityMetadata, as real organizations send them; `IsOfflineInMobileClientByDefault` of the
documents that Haversack ships. `IsVisibleInMobile` is about an application that is no more, and means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haversack.model.v1 import model_pb2

from haversack_server.errors import MetadataInvalid

MODIFIED = "modifiedon"
DEFAULT_ORGANIZATION_FILTER = (
    f'<filter type="and"><condition attribute="{MODIFIED}" operator="last-x-days" value="10"/></filter>'
)
"""What entities that are enabled by default are limited to: rows modified in the last 10 days."""


@dataclass(frozen=True)
class Availability:
    """What a document says about going offline.

    Attributes:
        mobile: Whether the entity is enabled for mobile; None if the document does not say.
        offline: Whether it is enabled for offline use when it is first imported.
        organization_filter: FetchXML that it is limited to then; empty means no limit.
    """

    mobile: bool | None = None
    offline: bool = False
    organization_filter: str = ""


def read_availability(source: Mapping[str, Any], attributes: Mapping[str, model_pb2.Attribute]) -> Availability:
    """Reads what a document says about going offline; raises MetadataInvalid."""
    mobile = _flag(source, "IsVisibleInMobileClient")
    said = _flag(source, "IsOfflineInMobileClient")
    by_default = _flag(source, "IsOfflineInMobileClientByDefault")
    offline = mobile is not False and bool(by_default if said is None else said)
    written = source.get("MobileOfflineFilters")
    if written is not None and not isinstance(written, str):
        raise MetadataInvalid("MobileOfflineFilters must be text")
    if written is not None and written.strip():
        return Availability(mobile, offline, written)
    is_timed = MODIFIED in attributes and attributes[MODIFIED].type == model_pb2.ATTRIBUTE_TYPE_DATETIME
    limited = bool(by_default) and written is None and is_timed
    return Availability(mobile, offline, DEFAULT_ORGANIZATION_FILTER if limited else "")


def _flag(source: Mapping[str, Any], key: str) -> bool | None:
    """Reads true or false, alone or as a managed property has it; None if the document does not say."""
    value = source.get(key)
    if isinstance(value, Mapping):
        value = value.get("Value")
    if value is not None and not isinstance(value, bool):
        raise MetadataInvalid(f"{key} must be true or false")
    return value
