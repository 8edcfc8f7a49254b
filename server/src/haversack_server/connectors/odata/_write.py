"""A device's change, made at the service: conditionally, once, for the user who made it.

Every request says what it presupposes: a creation that the row is not there (`If-None-Match: *`, with the id that the
device chose), an update or deletion the version that it was judged against (`If-Match`), or only that the row is there
(`If-Match: *`) where the policy looks for no conflicts. So what may have been carried out is never simply repeated:
when an answer is lost, or a condition fails, the row is read back; if it is as the change would have made it, it was
made so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from haversack_server.connectors.odata._http import Answer, Client, LostAnswer, prefer, was_sent
from haversack_server.connectors.odata._plan import TARGETS
from haversack_server.connectors.odata._service import Service
from haversack_server.connectors.odata._shapes import Column, Shape, Shapes
from haversack_server.connectors.odata._spelling import is_same_id, respelled
from haversack_server.errors import HaversackError, Refusal, SourceNotReady, SourceRefused, SourceUnavailable
from haversack_server.replication import Change, Written

TARGET_ANNOTATION = "Microsoft.Dynamics.CRM.lookuplogicalname"

_GONE, _FAILED, _REQUIRED = 404, 412, 428

_NO_UPSERT = frozenset({404, 405, 501})
"""What services answer to an update that is to create a row, if they do not do that."""

_OUTCOMES = {
    400: Refusal.INVALID,
    403: Refusal.FORBIDDEN,
    404: Refusal.NOT_FOUND,
    405: Refusal.INVALID,
    409: Refusal.CONFLICT,
    410: Refusal.NOT_FOUND,
    412: Refusal.CONFLICT,
    413: Refusal.INVALID,
    415: Refusal.INVALID,
    422: Refusal.INVALID,
    501: Refusal.INVALID,
}
"""What a service's refusal means for the change."""

WHOLE_NUMBERS = {"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte", "Edm.SByte"}


class Writer:
    """Makes changes at a service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._callers: dict[str, str] = {}

    async def write(self, change: Change) -> Written:
        """See `haversack_server.replication.Source`."""
        shapes = await self._service.shapes()
        shape = shapes.by_entity.get(change.entity)
        if shape is None:
            raise SourceNotReady(
                f"the service has no entity {change.entity} that could be written; see `haversack source check`: the"
                " write waits"
            )
        change = await respelled(self._client, change, shape, shapes.by_entity)
        if change.looks_for:
            return await self._found(change, shape)
        headers = await self._caller(change.user)
        if change.kind == "create":
            return await self._create(change, shape, shapes, headers)
        if change.kind == "update":
            return await self._update(change, shape, shapes, headers)
        return await self._delete(change, shape, headers)

    @property
    def _client(self) -> Client:
        return self._service.client

    async def _create(self, change: Change, shape: Shape, shapes: Shapes, caller: Mapping[str, str]) -> Written:
        body = _encoded({**_body(change, shape, shapes), shape.key.wire: _wire(shape.key, change.id)})
        headers = {**caller, **_returning(shape)}
        try:
            answer = None
            if shape.is_dataverse:
                # An upsert that may not update: the id is the device's, so a repeat finds the row.
                url = self._row(shape, change.id)
                answer = await self._client.send("PATCH", url, body, {**headers, "If-None-Match": "*"})
            if answer is None or answer.status in _NO_UPSERT:
                answer = await self._client.send("POST", self._client.resolve(shape.set_name), body, headers)
        except LostAnswer as lost:
            return await self._looked_up(change, shape, lost)
        if answer.ok:
            return await self._written(answer, shape, change.id)
        if answer.status in _NO_UPSERT:
            raise SourceNotReady(
                f"the service takes no new rows of {change.entity} ({answer.status} {answer.words}); mend that"
                " there: the write waits"
            )
        there = await self._read(shape, change.id) if answer.status in (400, 409, _FAILED) else None
        if there is not None:
            if _has(there[0], change.values, shape):
                return Written(_ingest_row(there[0], shape), there[1])
            raise SourceRefused(Refusal.CONFLICT, answer.words)
        raise _refused(answer)

    async def _update(self, change: Change, shape: Shape, shapes: Shapes, caller: Mapping[str, str]) -> Written:
        headers = {**caller, **_returning(shape), "If-Match": _condition(change)}
        body = _encoded(_body(change, shape, shapes))
        if change.detect_conflicts and not change.etag:
            # Nobody knows which version the device saw, so it is told by the values.
            words = "the row is not what the device saw, and the service keeps its own"
            return await self._unmatched(change, shape, words, body, headers)
        try:
            answer = await self._client.send("PATCH", self._row(shape, change.id), body, headers)
        except LostAnswer as lost:
            return await self._looked_up(change, shape, lost)
        if answer.ok:
            return await self._written(answer, shape, change.id)
        if answer.status in (_FAILED, _REQUIRED):
            return await self._unmatched(change, shape, answer.words, body, headers)
        if answer.status in (_GONE, 410):
            await self._require_set(shape)
        raise _refused(answer)

    async def _unmatched(
        self, change: Change, shape: Shape, words: str, body: bytes, headers: Mapping[str, str]
    ) -> Written:
        """Deals with a version that is not the service's: another change came between, or this one was made already."""
        there = await self._read(shape, change.id)
        if there is None:
            raise SourceRefused(Refusal.NOT_FOUND, f"{change.entity} {change.id} is not there any more")
        row, version = there
        if _has(row, change.values, shape):
            return Written(_ingest_row(row, shape), version)
        untouched = bool(change.old_values) and _has(row, change.old_values, shape)
        if change.detect_conflicts and not untouched:
            raise SourceRefused(Refusal.CONFLICT, words)
        # The row has moved on, but not in what the change is about: it is judged against the row as it is now, once.
        # A service without versions can only be asked whether the row is there.
        try:
            again = await self._client.send(
                "PATCH", self._row(shape, change.id), body, {**headers, "If-Match": version or "*"}
            )
        except LostAnswer as lost:
            return await self._looked_up(change, shape, lost)
        if again.ok:
            return await self._written(again, shape, change.id)
        if again.status == _FAILED:
            raise SourceUnavailable(f"{change.entity} {change.id} keeps changing at the service; it is tried again")
        raise _refused(again)

    async def _delete(self, change: Change, shape: Shape, caller: Mapping[str, str]) -> Written:
        url = self._row(shape, change.id)
        try:
            answer = await self._client.send("DELETE", url, b"", {**caller, "If-Match": _condition(change)})
            if answer.status in (_FAILED, _REQUIRED) and not change.detect_conflicts:
                there = await self._read(shape, change.id)
                if there is None:
                    return Written(None)
                answer = await self._client.send("DELETE", url, b"", {**caller, "If-Match": there[1] or "*"})
        except LostAnswer as lost:
            return await self._looked_up(change, shape, lost)
        # What is gone is as the change wanted it, whoever it was.
        if answer.ok:
            return Written(None)
        if answer.status in (_GONE, 410):
            await self._require_set(shape)
            return Written(None)
        raise _refused(answer)

    async def _found(self, change: Change, shape: Shape) -> Written:
        """Looks for a change that may have been made: one that was taken is believed, others are told by the row."""
        there = await self._read(shape, change.id)
        if change.looks_for == "sent":
            is_made = (
                there is None if change.kind == "delete" else there is not None and _has(there[0], change.values, shape)
            )
            if not is_made:
                return Written(None, found=False)
        return Written(_ingest_row(there[0], shape), there[1]) if there else Written(None)

    async def _looked_up(self, change: Change, shape: Shape, lost: LostAnswer) -> Written:
        """Tells what became of a change whose answer was lost; raises SourceUnavailable if it was not made."""
        if not was_sent(lost):
            raise lost
        there = await self._read(shape, change.id)
        if change.kind == "delete":
            if there is None:
                return Written(None)
        elif there is not None and _has(there[0], change.values, shape):
            return Written(_ingest_row(there[0], shape), there[1])
        raise SourceUnavailable(f"{lost}; the change was not made, and is tried again") from lost

    async def _written(self, answer: Answer, shape: Shape, id_: str) -> Written:
        """The row after a change: as the service returned it, else read."""
        if answer.body.strip():
            row = answer.object()
            if row.get(shape.key.wire) is not None:
                return Written(_ingest_row(row, shape), _version(row, answer))
        there = await self._read(shape, id_)
        if there is None:
            return Written(None)
        return Written(_ingest_row(there[0], shape), there[1])

    async def _read(self, shape: Shape, id_: str) -> tuple[dict[str, Any], str | None] | None:
        """A row as it is now, and its version; None if it is not there."""
        headers = {**prefer(TARGETS if shape.is_dataverse else ""), "Consistency": "Strong"}
        answer = await self._client.get(self._row(shape, id_), headers=headers)
        if answer.status in (_GONE, 410):
            return None
        if not answer.ok:
            raise _refused(answer)
        row = answer.object()
        return row, _version(row, answer)

    async def _require_set(self, shape: Shape) -> None:
        """Raises SourceNotReady if it is not the row that is missing, but all of its kind."""
        answer = await self._client.get(self._client.resolve(f"{shape.set_name}?$select={shape.key.wire}&$top=1"))
        if answer.status in (_GONE, 410):
            raise SourceNotReady(
                f"the service has no {shape.set_name} any more ({answer.words}); mend that there: the write waits"
            )

    def _row(self, shape: Shape, id_: str) -> str:
        """A row's address."""
        return self._client.resolve(f"{shape.set_name}({quote(shape.literal(id_), safe=chr(39))})")

    async def _caller(self, user: str) -> dict[str, str]:
        """The headers that say for whom a change is made."""
        settings = self._service.settings
        if not settings.impersonate or not user:
            return {}
        if settings.caller_header == "MSCRMCallerID":
            return {"MSCRMCallerID": user}
        if user not in self._callers:
            answer = await self._client.get(
                self._client.resolve(f"systemusers({user})?$select=azureactivedirectoryobjectid")
            )
            known = answer.object().get("azureactivedirectoryobjectid") if answer.ok else None
            if not isinstance(known, str):
                raise SourceRefused(Refusal.FORBIDDEN, f"user {user} has no account in Microsoft Entra to write for")
            self._callers[user] = known
        return {"CallerObjectId": self._callers[user]}


def _condition(change: Change) -> str:
    """The version that a change presupposes; `*` if only that the row is there."""
    return change.etag if change.detect_conflicts and change.etag else "*"


def _encoded(body: Mapping[str, Any]) -> bytes:
    """A flat object as JSON. Decimals keep every digit, which `json` cannot do."""
    written = (
        f"{json.dumps(name)}:{format(value, 'f') if isinstance(value, Decimal) else json.dumps(value, allow_nan=False)}"
        for name, value in body.items()
    )
    return ("{" + ",".join(written) + "}").encode()


def _refused(answer: Answer) -> HaversackError:
    """What an answer means that is neither success nor "later"; SourceNotReady where it is not about the change."""
    outcome = _OUTCOMES.get(answer.status)
    if outcome is None:
        return SourceNotReady(
            f"{answer.url} answers {answer.status} to a write: {answer.words}; see what is between Haversack and the"
            " service: the write waits"
        )
    return SourceRefused(outcome, answer.words)


def _returning(shape: Shape) -> dict[str, str]:
    return prefer("return=representation", TARGETS if shape.is_dataverse else "")


def _version(row: Mapping[str, Any], answer: Answer) -> str | None:
    version = row.get("@odata.etag") or row.get("@etag") or answer.headers.get("etag")
    return version if isinstance(version, str) else None


def _body(change: Change, shape: Shape, shapes: Shapes) -> dict[str, Any]:
    """The changed columns as a request has them; raises SourceRefused for what the service does not have."""
    body: dict[str, Any] = {}
    for name, value in change.values.items():
        if name.endswith("_type") and name.removesuffix("_type") in shape.columns:
            continue
        column = shape.columns.get(name)
        if column is None:
            raise SourceNotReady(f"the service has no column {change.entity}.{name} any more; the write waits for it")
        if name == shape.key.name:
            continue
        if column.targets and column.is_shadow:
            body |= _bound(change, column, shapes, value)
        else:
            body[column.wire] = _wire(column, value)
    return body


def _bound(change: Change, column: Column, shapes: Shapes, value: Any) -> dict[str, Any]:
    """A lookup as a request has it: the navigation property bound to a row, or to none."""
    told = change.values.get(f"{column.name}_type")
    targets = [it for it in column.targets if it.entity == told] or list(column.targets)
    if value is None:
        return {f"{targets[0].navigation}@odata.bind": None}
    if len(targets) > 1 and not told:
        names = ", ".join(it.entity for it in targets)
        raise SourceRefused(
            Refusal.INVALID, f"{change.entity}.{column.name} does not say which of {names} it points at"
        )
    target = shapes.by_entity.get(targets[0].entity)
    if target is None or (told and targets[0].entity != told):
        raise SourceRefused(
            Refusal.INVALID, f"{change.entity}.{column.name} cannot point at {told or targets[0].entity}"
        )
    return {f"{targets[0].navigation}@odata.bind": f"/{target.set_name}({target.literal(str(value))})"}


def _wire(column: Column, value: Any) -> Any:
    """A value as a request has it: decimals and whole keys are numbers there, sets of choices a text."""
    if isinstance(value, list | tuple):
        return ",".join(str(it) for it in value)
    if not isinstance(value, str):
        return value
    if column.type in WHOLE_NUMBERS:
        return int(value) if value.lstrip("+-").isdigit() else value
    if column.type == "Edm.Decimal":
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return value


def _has(row: Mapping[str, Any], values: Mapping[str, Any], shape: Shape) -> bool:
    """Whether a row has these values."""
    for name, value in values.items():
        column = shape.columns.get(name)
        if column is not None and not _equal(column, row.get(column.wire), value):
            return False
    return True


def _equal(column: Column, there: Any, here: Any) -> bool:
    """Whether two writings of a value mean the same."""
    here = _wire(column, here)
    if there is None or here is None:
        return (there is None or there == "") and (here is None or here == "")
    if column.type == "Edm.Guid":
        return str(there).lower() == str(here).lower()
    if column.type in ("Edm.Decimal", "Edm.Double", "Edm.Single"):
        try:
            return Decimal(str(there)) == Decimal(str(here))
        except InvalidOperation:
            return False
    if column.type == "Edm.DateTimeOffset":
        try:
            return abs((_instant(there) - _instant(here)).total_seconds()) < 1
        except (ValueError, TypeError):
            return False
    if column.type == "Edm.Boolean":
        return str(there).lower() == str(here).lower()
    return is_same_id(str(there), str(here)) if column.targets else str(there) == str(here)


def _instant(text: Any) -> datetime:
    # Services keep whole seconds, or fewer digits than a device has.
    parsed = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.astimezone()


def _ingest_row(row: Mapping[str, Any], shape: Shape) -> bytes:
    """A row of the service as a line of ingest, by logical names."""
    made: dict[str, Any] = {}
    for column in shape.columns.values():
        value = row.get(column.wire)
        if value is None:
            continue
        made[column.name] = str(value) if column.kind == "String" and not isinstance(value, str) else value
        target = row.get(f"{column.wire}@{TARGET_ANNOTATION}")
        if isinstance(target, str):
            made[f"{column.name}_type"] = target
    return json.dumps(made, ensure_ascii=False).encode()
