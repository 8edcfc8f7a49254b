"""`haversack audit`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._moments import told_moment
from haversack_server.cli._options import CaFileOption, DataOption, EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from haversack.admin.v1 import security_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

FOLLOW_SECONDS = 1.0
ENTRIES_DEFAULT = 50
ENTRIES_MAX = 100_000
PAGE_SIZE_MAX = 500


def audit(
    *,
    organization: Annotated[str, typer.Option("--org", metavar="NAME", help="About this organization alone.")] = "",
    who: Annotated[str, typer.Option("--who", metavar="SUBJECT", help="By this caller alone.")] = "",
    rpc: Annotated[str, typer.Option("--rpc", metavar="NAME", help="This method alone, as in PublishProfile.")] = "",
    outcome: Annotated[
        str, typer.Option("--outcome", metavar="REASON", help="With this outcome alone: OK, or a reason.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="From then on: 2h, 7d, or a time as 2026-01-31T08:00Z.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="Before then, in the same forms.")] = "",
    entries: Annotated[
        int, typer.Option("--max", metavar="N", min=1, max=ENTRIES_MAX, help="The newest so many.")
    ] = ENTRIES_DEFAULT,
    follow: Annotated[bool, typer.Option("--follow", help="Go on, and print what comes, until Ctrl-C.")] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what administrators have done: who, what, when, before and after.

    People read a table, oldest first. --json prints one entry a line, with the request and what it changed.
    """
    from haversack.admin.v1 import security_pb2

    from haversack_server.cli._endpoint import connected

    request = security_pb2.QueryAuditRequest(
        organization=organization,
        subject=who,
        rpc=rpc,
        outcome=outcome,
        since_at_us=told_moment(since, "--since"),
        until_at_us=told_moment(until, "--until"),
    )
    with connected(endpoint, token, data, ca_file=ca_file, as_json=as_json) as admin:
        found = _newest(admin, request, entries)
        _print(found, as_json=as_json)
        last = found[-1].number if found else 0
        try:
            while follow:
                time.sleep(FOLLOW_SECONDS)
                later = [it for it in _newest(admin, request, PAGE_SIZE_MAX, above=last) if it.number > last]
                _print(later, as_json=as_json)
                last = later[-1].number if later else last
        except KeyboardInterrupt:
            return


def _newest(
    admin: AdminEndpoint, request: security_pb2.QueryAuditRequest, entries: int, *, above: int | None = None
) -> list[security_pb2.AuditEntry]:
    """Returns the newest entries, oldest first; `above` ends the search where everything is known."""
    from haversack.admin.v1 import security_pb2

    found: list[security_pb2.AuditEntry] = []
    page = security_pb2.QueryAuditRequest()
    page.CopyFrom(request)
    while len(found) < entries:
        page.page_size = min(entries - len(found), PAGE_SIZE_MAX)
        answer = admin.call(admin.audit.QueryAudit, page, security_pb2.QueryAuditResponse)
        found.extend(answer.entries)
        page.page_token = answer.next_page_token
        if not page.page_token or (above is not None and found[-1].number <= above):
            break
    return found[::-1]


def _print(entries: Iterable[security_pb2.AuditEntry], *, as_json: bool) -> None:
    import json

    from haversack_server.cli._output import message_json, moment, print_table

    if as_json:
        for it in entries:
            typer.echo(json.dumps(message_json(it), ensure_ascii=False))
        return
    rows = [
        (moment(it.at_us), it.subject, it.rpc.rpartition(".")[2], it.organization, it.target, it.outcome)
        for it in entries
    ]
    if rows:
        print_table(("when", "who", "what", "organization", "about", "outcome"), rows)
