"""Rows of the directory's entities, in and out of the database that an organization's rows are in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from haversack_server._core import Staging
from haversack_server.breaches import sentences
from haversack_server.errors import (
    DirectoryReadOnly,
    EntityUnknown,
    InternalFault,
    OrganizationNotProvisioned,
    RowsInvalid,
)
from haversack_server.publishing import Metadata

PAGE_ROWS_MAX = 10_000

ATTRIBUTES = {
    "businessunit": ("businessunitid", "name", "parentbusinessunitid"),
    "position": ("positionid", "name", "parentpositionid"),
    "principalobjectaccess": ("principalobjectaccessid", "principalid", "objectid", "accessrightsmask"),
    "role": ("roleid", "name", "businessunitid", "isinherited"),
    "roleprivileges": ("roleprivilegeid", "roleid", "entityname", "accessright", "depth"),
    "systemuser": (
        "systemuserid",
        "domainname",
        "fullname",
        "internalemailaddress",
        "jobtitle",
        "isdisabled",
        "businessunitid",
        "parentsystemuserid",
        "positionid",
    ),
    "systemuserroles": ("systemuserroleid", "systemuserid", "roleid"),
    "team": ("teamid", "name", "businessunitid", "teamtype", "description"),
    "teammembership": ("teammembershipid", "teamid", "systemuserid"),
    "teamroles": ("teamroleid", "teamid", "roleid"),
    "usersettings": ("systemuserid", "timezonename"),
}
"""What is read of each entity of the directory; its primary id comes first."""

Row = dict[str, Any]
Action = Literal["upsert", "patch", "delete"]


@dataclass(frozen=True)
class RowChange:
    """A row that is to be made, changed in what is named, or deleted."""

    entity: str
    action: Action
    row: Row


@dataclass(frozen=True)
class Elsewhere:
    """Rows that come from a source outside.

    Attributes:
        kind: Of the source.
        kept: The entities that are not the source's.
        staging: Where the source's rows are; None if the organization is not provisioned, so that they are nowhere.
    """

    kind: str
    kept: frozenset[str]
    staging: Staging | None


@dataclass
class Rows:
    """Reads rows, and remembers up to where; blocks, so it belongs into a thread.

    Attributes:
        record: The database of the rows that Haversack keeps itself.
        metadata: The organization's.
        elsewhere: Of an organization with a source outside: which rows are that source's.
        seen: The LSN of the record up to which the first read went; later ones may have gone further.
    """

    record: Staging
    metadata: Metadata
    elsewhere: Elsewhere | None = None
    seen: int | None = field(default=None, init=False)

    def all(self, entity: str) -> list[Row]:
        """Returns every row of an entity of the directory."""
        return self._read(entity, list(ATTRIBUTES[entity]))

    def among(self, entity: str, attribute: str, values: Iterable[str]) -> list[Row]:
        """Returns the rows of an entity of the directory in which an attribute is one of these ids."""
        return self._read(entity, list(ATTRIBUTES[entity]), attribute=attribute, values=[it.lower() for it in values])

    def exists(self, entity: str, row: str) -> bool:
        """Tells whether an entity has a row of this id."""
        return self._database(entity).has_row(self.metadata.model_bytes, entity, row)

    def first_that_refers(self, attribute: str, row: str) -> str | None:
        """Returns the first entity that has a row whose lookup of this name points at a row; passes every row.

        Where the source's rows are nowhere, there is none.
        """
        for entity, stored in self.metadata.entities.items():
            if entity in ATTRIBUTES or all(it.logical_name != attribute for it in stored.metadata.attributes):
                continue
            if self.elsewhere is not None and self.elsewhere.staging is None:
                continue
            _, _, found = self._database(entity).rows(
                self.metadata.model_bytes, entity, attributes=[], attribute=attribute, values=[row], rows_max=1
            )
            if found:
                return entity
        return None

    def write(self, changes: Sequence[RowChange]) -> bool:
        """Makes changes in one commit; returns whether what was read was still so. If not, nothing is written.

        Raises DirectoryReadOnly for a row that is a source's, and RowsInvalid, which the judgement of edits should have
        made impossible but for the metadata's own limits.
        """
        self.refuse_foreign(changes)
        parts = [
            (entity, action, "\n".join(json.dumps(it.row) for it in some).encode())
            for (entity, action), some in groupby(changes, key=lambda it: (it.entity, it.action))
        ]
        if self.seen is None:
            raise InternalFault("the directory was to be written without having been read")
        answer = json.loads(
            self.record.write_together(
                self.metadata.model_bytes, list(parts), seen=self.seen, basis=self._known_entities()
            )
        )
        if "errors" in answer:
            raise RowsInvalid(
                sentences(f"{it['file_name']}.{it['attribute']}: {it['message']}" for it in answer["errors"])
            )
        return "stale" not in answer

    def refuse_foreign(self, changes: Iterable[RowChange]) -> None:
        """Raises DirectoryReadOnly if a change is of a row that is a source's."""
        if self.elsewhere is None:
            return
        foreign = sorted({it.entity for it in changes} - self.elsewhere.kept)
        if foreign:
            raise DirectoryReadOnly(
                f"{', '.join(foreign)} of {self.metadata.organization} come from its source ({self.elsewhere.kind});"
                " change them there"
            )

    def has_attribute(self, entity: str, attribute: str) -> bool:
        """Tells whether the metadata has an attribute."""
        stored = self.metadata.entities.get(entity)
        return stored is not None and any(it.logical_name == attribute for it in stored.metadata.attributes)

    def _known_entities(self) -> list[str]:
        """The entities of the directory that are written here."""
        kept = ATTRIBUTES if self.elsewhere is None else self.elsewhere.kept
        return [it for it in ATTRIBUTES if it in self.metadata.entities and it in kept]

    def _database(self, entity: str) -> Staging:
        """Where an entity's rows are; raises OrganizationNotProvisioned if they are nowhere."""
        if self.elsewhere is None or entity in self.elsewhere.kept:
            return self.record
        if self.elsewhere.staging is None:
            name = self.metadata.organization
            raise OrganizationNotProvisioned(
                f"{entity} of {name} comes from its source ({self.elsewhere.kind}), and nothing of it is here before"
                f" the organization is provisioned; `haversack org provision {name}` does that"
            )
        return self.elsewhere.staging

    def _read(
        self, entity: str, attributes: list[str], *, attribute: str = "", values: Sequence[str] = ()
    ) -> list[Row]:
        if entity not in self.metadata.entities:
            raise EntityUnknown(
                f"organization {self.metadata.organization} has no entity {entity!r}, a part of the directory; "
                "import its metadata first: `haversack entity import --standard`"
            )
        database = self._database(entity)
        known = [it for it in attributes if self.has_attribute(entity, it)]
        read: list[Row] = []
        after: int | None = None
        while True:
            lsn, after, lines = database.rows(
                self.metadata.model_bytes,
                entity,
                attributes=known,
                attribute=attribute,
                values=list(values),
                after=after,
                rows_max=PAGE_ROWS_MAX,
            )
            if database is self.record and self.seen is None:
                self.seen = lsn
            read += map(json.loads, lines.splitlines())
            if after is None:
                return read
