"""Changing the directory: read, judge every edit, write in one commit; and again, if somebody was quicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from haversack.admin.v1 import directory_pb2, questions_pb2

from haversack_server.breaches import sentences
from haversack_server.catalog import Catalog, sources
from haversack_server.core import in_thread
from haversack_server.directory import _access, _people
from haversack_server.directory._facts import Facts, Node, Role, Team, User
from haversack_server.directory._rows import ATTRIBUTES, Elsewhere, Rows
from haversack_server.directory._trees import POSITIONS, UNITS
from haversack_server.directory._work import Work
from haversack_server.errors import (
    DirectoryInvalid,
    DirectoryReadOnly,
    DirectoryRowUnknown,
    EntityUnknown,
    HaversackError,
    OrganizationBusy,
    OrganizationNotProvisioned,
    RequestInvalid,
)
from haversack_server.metadata import DIRECTORY_ENTITIES
from haversack_server.publishing import load_metadata
from haversack_server.replication import Connections, catch_up
from haversack_server.stagings import Stagings

EDITS_MAX = 1_000
"""How many edits one call may make."""

ATTEMPTS_MAX = 5
"""How often a change is judged anew because an ingest has changed the directory meanwhile."""

_EDITS: dict[str, Callable[[Work, Any], User | Team | Node | Role]] = {
    "create_user": _people.create_user,
    "update_user": _people.update_user,
    "create_team": _people.create_team,
    "update_team": _people.update_team,
    "delete_team": _people.delete_team,
    "add_members": _people.add_members,
    "remove_members": _people.remove_members,
    "create_business_unit": UNITS.create,
    "update_business_unit": UNITS.update,
    "delete_business_unit": UNITS.delete,
    "create_position": POSITIONS.create,
    "update_position": POSITIONS.update,
    "delete_position": POSITIONS.delete,
    "create_role": _access.create_role,
    "update_role": _access.update_role,
    "set_role_privileges": _access.set_privileges,
    "delete_role": _access.delete_role,
    "assign_role": _access.assign_role,
    "revoke_role": _access.revoke_role,
    "share_row": _access.share_row,
}


@dataclass(frozen=True)
class Changed:
    """What edits have made, or would make.

    Attributes:
        rows: For every edit the row that it was about: id and name.
        row_count: How many rows are written.
        supposed: The changes as questions about devices suppose them.
        unforeseen: Sentences about changes that questions cannot suppose.
        lsn: Head of staging's commit order after the changes; 0 if none was made, or the organization has no staging.
    """

    rows: Sequence[tuple[str, str]]
    row_count: int
    supposed: Sequence[questions_pb2.DirectoryChange]
    unforeseen: Sequence[str]
    lsn: int = 0


class Directory:
    """The directories of all organizations."""

    def __init__(self, catalog: Catalog, stagings: Stagings, connections: Connections) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._connections = connections

    async def rows_of(self, organization: str) -> Rows:
        """Returns an organization's rows: from its record database, and where they are a source's from staging.

        Raises OrganizationUnknown or StagingFailed. What is a source's can be read while the organization is
        provisioned.
        """
        async with self._catalog.snapshot() as connection:
            metadata = await load_metadata(connection, organization)
            source = await sources.find(connection, organization)
        record = await self._stagings.record(organization)
        if source is None:
            return Rows(record, metadata)
        try:
            staging = await self._stagings.get(organization)
        except OrganizationNotProvisioned:
            staging = None
        return Rows(record, metadata, Elsewhere(source.kind, source.kept or frozenset(), staging))

    async def change(
        self, organization: str, edits: Sequence[directory_pb2.DirectoryEdit], *, dry_run: bool
    ) -> Changed:
        """Judges edits in order and makes them, all or none.

        Raises DirectoryReadOnly, DirectoryInvalid with every breach (DirectoryRowUnknown or EntityUnknown, if nothing
        else is wrong), and OrganizationBusy if ingests keep changing the directory.
        """
        _refuse_shape(edits)
        await self._refuse_foreign(organization)
        if dry_run:
            work, rows = await in_thread(_judged, await self.rows_of(organization), edits)
            work.rows.refuse_foreign(work.changes)
            return _changed(work, rows)
        async with self._catalog.exclusive(organization):
            for _ in range(ATTEMPTS_MAX):
                work, rows = await in_thread(_judged, await self.rows_of(organization), edits)
                if await in_thread(work.rows.write, work.changes):
                    return _changed(work, rows, await self._follow(organization, work))
        raise OrganizationBusy(f"the directory of {organization} is changing all the time; try again later")

    async def _refuse_foreign(self, organization: str) -> None:
        """Raises DirectoryReadOnly if an organization's source brings all of the directory, or may do so."""
        async with self._catalog.snapshot() as connection:
            source = await sources.find(connection, organization)
        if source is None or any(source.keeps(it) for it in DIRECTORY_ENTITIES):
            return
        if source.kept is None:
            raise DirectoryReadOnly(
                f"which parts of the directory the source of {organization} ({source.kind}) brings is not known before"
                f" its metadata is imported; `haversack source import {organization}` does that"
            )
        raise DirectoryReadOnly(
            f"the directory of {organization} belongs to its source ({source.kind}); change it there"
        )

    async def _follow(self, organization: str, work: Work) -> int:
        """Has staging follow what was written, so that devices do; returns its head, 0 if there is none."""
        lsn = 0
        for entity in dict.fromkeys(it.entity for it in work.changes):
            try:
                async with self._connections.feed(organization, entity) as feed:
                    lsn = (await catch_up(feed)).lsn
            except OrganizationNotProvisioned:
                return 0
        return lsn


def _refuse_shape(edits: Sequence[directory_pb2.DirectoryEdit]) -> None:
    if not 0 < len(edits) <= EDITS_MAX:
        raise RequestInvalid(f"the request has {len(edits)} edits; send 1 to {EDITS_MAX:,}")
    if any(it.WhichOneof("edit") is None for it in edits):
        raise RequestInvalid("an edit says nothing that this version knows; set one of its fields")


def _judged(rows: Rows, edits: Sequence[directory_pb2.DirectoryEdit]) -> tuple[Work, list[tuple[str, str]]]:
    """Reads the facts and judges edits on them; raises with every breach."""
    work = Work(rows, Facts.read(rows))
    about: list[tuple[str, str]] = []
    breaches: list[HaversackError] = []
    for edit in edits:
        name = edit.WhichOneof("edit") or ""
        try:
            row = _EDITS[name](work, getattr(edit, name))
            about.append((row.id, row.name))
        except (DirectoryInvalid, DirectoryRowUnknown, EntityUnknown) as breach:
            breaches.append(breach)
    if breaches:
        kinds = {type(it) for it in breaches}
        kind = kinds.pop() if len(kinds) == 1 else DirectoryInvalid
        raise kind(sentences(dict.fromkeys(str(it) for it in breaches)))
    return work, about


def _changed(work: Work, rows: list[tuple[str, str]], lsn: int = 0) -> Changed:
    written = {(it.entity, it.row[ATTRIBUTES[it.entity][0]]) for it in work.changes}
    return Changed(rows, len(written), work.supposed, list(work.unforeseen), lsn)
