"""What will work with a service and what will not, found out by asking and changing nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable

from haversack_server.connectors.odata._documents import documents
from haversack_server.connectors.odata._http import prefer
from haversack_server.connectors.odata._mapping import OdataMapping, check_mapping
from haversack_server.connectors.odata._plan import TRACKING
from haversack_server.connectors.odata._service import Service
from haversack_server.connectors.odata._shapes import Shape, Shapes
from haversack_server.errors import HaversackError
from haversack_server.replication import CHECK_SECONDS_MAX, Checked, Finding, Verdict

SLACK_SECONDS = 5.0
"""What is left of the time for a check when it ends early: an answer with what was found is better than none."""

NOT_MAPPED_SHOWN_MAX = 20
"""Columns that are listed one by one as not mapped; the rest is counted."""

_METADATA_READS_MAX = 30.0


async def check(service: Service, mapping: OdataMapping) -> Checked:
    """See `haversack_server.replication.Source`."""
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX - SLACK_SECONDS):
            await _check(service, mapping, findings)
    except TimeoutError:
        what = f"the check was not through after {CHECK_SECONDS_MAX - SLACK_SECONDS:.0f} seconds"
        findings.append(Finding("time", Verdict.WARNING, what, "check again, or raise `concurrency`"))
    return Checked(tuple(findings))


async def _check(service: Service, mapping: OdataMapping, findings: list[Finding]) -> None:
    try:
        shapes = await service.shapes(doubted=True)
        is_dataverse = any(it.is_dataverse for it in shapes.by_entity.values())
        listed = await service.listed()
    except HaversackError as error:
        findings.append(
            Finding("service", Verdict.FAILURE, str(error), "nothing else can be checked before that is mended")
        )
        return
    kind = "Dataverse" if is_dataverse else "OData v4"
    findings.append(Finding("service", Verdict.OK, f"{service.settings.url} answers as {kind}"))
    if is_dataverse and not listed:
        what = "EntityDefinitions cannot be read: choices have no labels, ownership is guessed"
        findings.append(
            Finding("metadata", Verdict.WARNING, what, "give the application user a role that reads customizations")
        )
    findings.append(Finding("metadata", Verdict.OK, f"{len(shapes.by_entity):,} entities can be mapped"))
    try:
        check_mapping(mapping, shapes)
    except HaversackError as error:
        findings.append(Finding("mapping", Verdict.FAILURE, str(error), "edit the mapping, and set it again"))
    findings += _not_mapped(shapes)
    wanted = [
        it for it in documents(shapes, {}, service.settings.entities) if it in shapes.by_entity and mapping.of(it).take
    ]
    checks: list[Awaitable[list[Finding]]] = [_entity(service, shapes.by_entity[it]) for it in wanted]
    if service.settings.impersonate:
        checks.append(_impersonation(service, shapes))
    found: list[Finding] = []
    try:
        for some in asyncio.as_completed(checks):
            found += await some
    finally:
        # Answers come in any order; what was found by the end of the time counts too.
        findings += sorted(found, key=lambda it: it.subject)


def _not_mapped(shapes: Shapes) -> list[Finding]:
    """What is left out, the first of it one by one."""
    shown = [
        Finding(it.subject, Verdict.WARNING, f"left out: {it.why}") for it in shapes.not_mapped[:NOT_MAPPED_SHOWN_MAX]
    ]
    rest = len(shapes.not_mapped) - len(shown)
    if rest:
        shown.append(
            Finding(
                "metadata", Verdict.WARNING, f"{rest:,} more columns or sets are left out", "see the source's metadata"
            )
        )
    return shown


async def _entity(service: Service, shape: Shape) -> list[Finding]:
    """How an entity is followed and written."""
    try:
        return await _asked(service, shape)
    except HaversackError as error:
        return [Finding(shape.entity, Verdict.FAILURE, str(error), "see to the service, and check again")]


async def _asked(service: Service, shape: Shape) -> list[Finding]:
    client = service.client
    url = client.resolve(f"{shape.set_name}?$select={shape.key.wire}")
    listed = (await service.listed()).get(shape.entity)
    if listed is not None and not listed.tracks_changes:
        answer = await client.get(url, headers=prefer("odata.maxpagesize=1"))
        tracked = False
    else:
        answer = await client.get(url, headers=prefer(TRACKING, "odata.maxpagesize=1"))
        tracked = answer.ok and (
            TRACKING in answer.headers.get("preference-applied", "") or b"deltaLink" in answer.body[-4096:]
        )
        if not answer.ok:
            answer = await client.get(url, headers=prefer("odata.maxpagesize=1"))
    if not answer.ok:
        remedy = "give the application user organization-wide read on it, or take it out of the mapping"
        return [Finding(shape.entity, Verdict.FAILURE, f"it cannot be read: {answer.status} {answer.words}", remedy)]
    body = answer.object()
    rows = body.get("value")
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    findings = [_following(shape, tracked=tracked, has_versions="@odata.etag" in first or "@etag" in first)]
    if first and not ("@odata.etag" in first or "@etag" in first):
        what = "its rows have no versions, so a write cannot tell whether the row has changed meanwhile"
        findings.append(
            Finding(shape.entity, Verdict.WARNING, what, "conflicts are found by comparing values, not surely")
        )
    elif first:
        findings.append(await _conditional(service, shape))
    return findings


def _following(shape: Shape, *, tracked: bool, has_versions: bool) -> Finding:
    """How changes are found."""
    if tracked:
        return Finding(shape.entity, Verdict.OK, "changes are tracked by the service: delta links")
    remedy = "enable change tracking for the entity, so that changes and deletions come at once"
    if "modifiedon" in shape.columns:
        what = "no change tracking: changes come by a watermark, deletions by comparing keys at a slower beat"
        return Finding(shape.entity, Verdict.WARNING, what, remedy)
    if has_versions:
        return Finding(
            shape.entity,
            Verdict.WARNING,
            "no change tracking: all keys and versions are compared again and again",
            remedy,
        )
    return Finding(shape.entity, Verdict.WARNING, "no change tracking: all rows are read again and again", remedy)


async def _conditional(service: Service, shape: Shape) -> Finding:
    """Whether `If-Match` is honoured: an update of a row that cannot be there, under a version that cannot be."""
    if shape.key.type != "Edm.Guid":
        return Finding(shape.entity, Verdict.OK, "rows have versions; that writes heed them was not tried")
    client = service.client
    url = client.resolve(f"{shape.set_name}({uuid.uuid4()})")
    answer = await client.send("PATCH", url, b"{}", {"If-Match": 'W/"0"'})
    if answer.status in (404, 412, 410):
        return Finding(shape.entity, Verdict.OK, "writes are conditional: If-Match is honoured")
    if answer.ok:
        # It has made the row after all; a check leaves nothing behind.
        gone = await client.send("DELETE", url, b"", {})
        left = "" if gone.ok else f", and {url}, which that has made, has to be deleted by hand"
        what = f"a write under a version that cannot be is carried out, so If-Match is not honoured{left}"
        return Finding(shape.entity, Verdict.WARNING, what, "writes of devices may go over those of others unseen")
    if answer.status in (403, 405, 501):
        what = f"it cannot be written: {answer.status} {answer.words}"
        return Finding(
            shape.entity, Verdict.WARNING, what, "give the application user write on it, if devices are to write"
        )
    what = (
        f"a write under a version that cannot be answers {answer.status}, so it is not sure that If-Match is honoured"
    )
    return Finding(shape.entity, Verdict.WARNING, what, "a change may be made twice if a connection breaks")


async def _impersonation(service: Service, shapes: Shapes) -> list[Finding]:
    """Whether requests can be made for somebody else."""
    header = service.settings.caller_header
    users = shapes.by_entity.get("systemuser")
    if users is None:
        what = "there are no users to write for"
        return [Finding("impersonation", Verdict.FAILURE, what, "switch `impersonate` off")]
    client = service.client
    column = "systemuserid" if header == "MSCRMCallerID" else "azureactivedirectoryobjectid"
    answer = await client.get(
        client.resolve(f"{users.set_name}?$select={column}&$filter=isdisabled%20eq%20false"),
        headers=prefer("odata.maxpagesize=1"),
    )
    rows = answer.object().get("value") if answer.ok else None
    user = rows[0].get(column) if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
    if not isinstance(user, str):
        what = "no enabled user could be read to try it with"
        return [Finding("impersonation", Verdict.WARNING, what, "check again when there are users")]
    tried = await client.get(client.resolve("WhoAmI"), headers={header: user})
    if tried.ok and str(tried.object().get("UserId", user)).lower() == user.lower():
        return [Finding("impersonation", Verdict.OK, f"writes are made for their users, by {header}")]
    remedy = "give the application user the role Delegate (privilege prvActOnBehalfOfAnotherUser)"
    return [Finding("impersonation", Verdict.FAILURE, f"{tried.status} {tried.words}", remedy)]
