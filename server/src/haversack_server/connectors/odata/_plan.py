"""What is asked of a service for an entity: columns, limits, and the addresses that say so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from haversack.model.v1 import model_pb2

from haversack_server.connectors.odata._http import prefer
from haversack_server.connectors.odata._position import Mode
from haversack_server.connectors.odata._pushdown import instant, pushed_down
from haversack_server.connectors.odata._settings import OdataSettings
from haversack_server.connectors.odata._shapes import Shape
from haversack_server.connectors.odata._spelling import spellings

SELECT_CHARACTERS_MAX = 6_000
"""Longer lists of columns are not sent: common servers take addresses of 8 KiB. Then all columns come."""

ROWS_BY_KEY_MAX = 12
"""Rows that are asked for by their keys at once: each may be spelt in two ways."""

TARGETS = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'
"""Has Dataverse say which entity a lookup points at, and no more than that."""

TRACKING = "odata.track-changes"

_TIMES = (
    "modifiedon",
    "modifiedat",
    "lastmodified",
    "lastmodifiedat",
    "modifieddate",
    "updatedat",
    "updatedon",
    "changedon",
)
"""Names of columns that say when a row was last changed, where no mapping says which one does."""


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        shape: The entity on the wire.
        columns: Names on the wire of the columns that are read; the key first.
        watermark: Logical name of the column that says when a row was last changed, or "".
        filter: What limits the rows that are read, unless changes are tracked.
        page_rows: Rows of a page.
    """

    shape: Shape
    columns: tuple[str, ...]
    watermark: str
    filter: str
    page_rows: int

    @property
    def fingerprint(self) -> str:
        """The same for the same columns."""
        return hashlib.sha256("\n".join(self.columns).encode()).hexdigest()[:16]

    @property
    def fallback(self) -> Mode:
        """How changes are found where the service does not track them, as far as the columns tell."""
        return Mode.WATERMARK if self.watermark else Mode.VERSIONS

    def headers(self, *, tracked: bool) -> dict[str, str]:
        """The headers of a read, the same on every page of it."""
        targets = TARGETS if self.shape.is_dataverse else ""
        return prefer(TRACKING if tracked else "", f"odata.maxpagesize={self.page_rows}", targets)

    def everything(self, *, tracked: bool) -> str:
        """Where all rows are read."""
        return self._address(select=self.columns, filter_="" if tracked else self.filter)

    def keys(self) -> str:
        """Where the keys and versions of all rows are read."""
        return self._address(select=(self.shape.key.wire,), filter_=self.filter)

    def rows(self, ids: list[str]) -> str:
        """Where some rows are read by their keys."""
        spelled = [text for it in ids for text in spellings(self.shape, it)]
        wanted = " or ".join(f"{self.shape.key.wire} eq {self.shape.literal(it)}" for it in spelled)
        return self._address(select=self.columns, filter_=wanted)

    def changes(self, since_us: int, until_us: int | None = None) -> str:
        """Where what changed since an instant, and perhaps until another, is read, oldest first."""
        column = self.shape.columns[self.watermark].wire
        order = f"{column},{self.shape.key.wire}"
        until = f" and {column} le {instant(until_us)}" if until_us is not None else ""
        return self._address(select=self.columns, filter_=f"{column} ge {instant(since_us)}{until}", order=order)

    def _address(self, *, select: tuple[str, ...], filter_: str, order: str = "") -> str:
        names = ",".join(select)
        options = {
            "$select": names if len(names) <= SELECT_CHARACTERS_MAX else "",
            "$filter": filter_,
            "$orderby": order,
        }
        query = "&".join(f"{name}={quote(value, safe=',:')}" for name, value in options.items() if value)
        return f"{self.shape.set_name}?{query}" if query else self.shape.set_name


def plan(entity: model_pb2.Entity, shape: Shape, settings: OdataSettings, *, watermark: str, rows_max: int) -> Plan:
    """Plans reading an entity: the columns that both sides have."""
    names = {it.logical_name for it in entity.attributes}
    wires = sorted(it.wire for it in shape.columns.values() if it.name in names and it.name != shape.key.name)
    times = (watermark,) if watermark else _TIMES
    usable = (it for it in times if it in shape.columns and shape.columns[it].type == "Edm.DateTimeOffset")
    return Plan(
        shape=shape,
        columns=(shape.key.wire, *wires),
        watermark=next((it for it in usable if it in names), ""),
        filter=pushed_down(entity, shape) if settings.push_filters else "",
        page_rows=max(1, min(settings.page_size, rows_max)),
    )
