"""Systems of record outside of Haversack, each a package of its own behind `haversack_server.replication.Source`.

A kind of source is one line here; nothing else in the server knows one by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from haversack_server.connectors import odata, postgres
from haversack_server.replication import Connect

CONNECTORS: Mapping[str, Connect] = MappingProxyType({odata.KIND: odata.connect, postgres.KIND: postgres.connect})
"""How a source of each kind is made ready."""

OWN_SETTINGS: Mapping[str, Callable[[str], Mapping[str, str]]] = MappingProxyType(
    {postgres.KIND: postgres.own_settings}
)
"""Of a kind, the settings that an organization gets for itself where its administrators do not say otherwise."""

__all__ = ["CONNECTORS", "OWN_SETTINGS"]
