"""`haversack work`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import work_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Work items: what keeps staging databases equal to their sources.", no_args_is_help=True)


class State(StrEnum):
    """What a work item is about to do."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    DEAD = "dead"


NumberArgument = Annotated[
    int, typer.Argument(metavar="NUMBER", min=1, help="The item's number.", autocompletion=_completion.work_items)
]

_COLUMNS = (
    ">number",
    "organization",
    "entity",
    "source",
    "state",
    ">every",
    "last run",
    ">rows",
    ">failures",
    "next due",
    ">attempt",
)


def _row(item: work_pb2.WorkItem, checked_at_us: int) -> tuple[str, ...]:
    return (
        str(item.number),
        item.organization,
        item.entity or "all of them",
        item.source,
        _state(item),
        f"{item.interval_seconds} s",
        _ago(checked_at_us, item.last_run.ended_at_us) if item.HasField("last_run") else "",
        f"{_rows(item.totals.counts):,}",
        f"{item.totals.failures:,}" if item.totals.failures else "",
        _due(item, checked_at_us),
        str(item.attempt) if item.attempt else "",
    )


def _state(item: work_pb2.WorkItem) -> str:
    from haversack.admin.v1 import work_pb2

    return work_pb2.WorkItemState.Name(item.state).removeprefix("WORK_ITEM_STATE_").lower()


def _rows(counts: work_pb2.WorkCounts) -> int:
    """Rows of staging that changed."""
    return counts.inserted + counts.updated + counts.deleted


def _ago(now_us: int, then_us: int) -> str:
    return f"{_span(now_us - then_us)} ago"


def _due(item: work_pb2.WorkItem, now_us: int) -> str:
    if not item.next_run_at_us:
        return ""
    wait_us = item.next_run_at_us - now_us
    return f"in {_span(wait_us)}" if wait_us > 0 else "now"


def _span(us: int) -> str:
    """A length of time, as one number."""
    seconds = max(us, 0) // 1_000_000
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _show_list(answer: work_pb2.ListWorkItemsResponse) -> None:
    from haversack_server.cli._output import console, print_table

    print_table(_COLUMNS, [_row(it, answer.checked_at_us) for it in answer.items])
    _show_errors(answer.items)
    if answer.total > len(answer.items):
        console().print(f"{len(answer.items):,} of {answer.total:,}; choose with --org, --entity, --state or --offset")


def _show_errors(items: Iterable[work_pb2.WorkItem]) -> None:
    from haversack_server.cli._output import print_table

    errors = [(str(it.number), it.entity, it.error) for it in items if it.error]
    if errors:
        print_table((">number", "entity", "why the last attempt failed"), errors)


def _show(answer: work_pb2.GetWorkItemResponse) -> None:
    _show_item(answer.item, answer.checked_at_us)


def _show_changed(answer: work_pb2.RetryWorkItemResponse | work_pb2.RunWorkItemResponse) -> None:
    _show_item(answer.item, answer.item.next_run_at_us)


def _show_item(item: work_pb2.WorkItem, now_us: int) -> None:
    from haversack_server.cli._output import console, print_table

    lines = [
        ("work item", str(item.number)),
        ("organization", item.organization),
        ("entity", item.entity or "all of them"),
        ("source", item.source),
        ("state", _state(item) + (f", at {item.worker}" if item.worker else "")),
        ("every", f"{item.interval_seconds} s"),
        ("next due", _due(item, now_us) or "not before `haversack work retry`"),
        ("attempt", str(item.attempt)),
        ("runs", f"{item.totals.runs:,}, and {item.totals.failures:,} failures"),
    ]
    if item.HasField("last_run"):
        lines.append(("last run", f"{_ago(now_us, item.last_run.ended_at_us)}, took {_took(item.last_run)}"))
    if item.error:
        lines.append(("error", item.error))
    for name, value in lines:
        console().print(f"{name:<14}{value}", markup=False)
    names = ("read", "inserted", "updated", "deleted", "unchanged", "bytes")
    counts = [
        (which, *(f"{getattr(of, name):,}" for name in names))
        for which, of in (("last run", item.last_run.counts), ("in all", item.totals.counts))
    ]
    print_table(("rows", *(f">{name}" for name in names)), counts)


def _took(run: work_pb2.WorkRun) -> str:
    return f"{(run.ended_at_us - run.started_at_us) / 1e6:.3f} s"


@admin_command(app, "list", example="haversack work list --org acme --state dead", shown=_show_list)
def list_work_items(
    admin: AdminEndpoint,
    *,
    organization: Annotated[
        str, typer.Option("--org", metavar="NAME", help="Only this organization's; every one's if not given.")
    ] = "",
    entity: Annotated[
        str,
        typer.Option(
            "--entity", metavar="ENTITY", help="Only those of this entity.", autocompletion=_completion.entities
        ),
    ] = "",
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    offset: Annotated[int, typer.Option("--offset", metavar="N", min=0, help="Pass over so many items.")] = 0,
    count: Annotated[int, typer.Option("--max", metavar="N", min=1, max=1000, help="Tell of so many items.")] = 200,
) -> work_pb2.ListWorkItemsResponse:
    """List what is replicated: how often, how it went, when it is due, and why it fails."""
    from haversack.admin.v1 import work_pb2

    wanted = f"WORK_ITEM_STATE_{state.name if state else 'UNSPECIFIED'}"
    request = work_pb2.ListWorkItemsRequest(
        organization=organization, entity=entity, state=wanted, offset=offset, count=count
    )
    return admin.call(admin.work.ListWorkItems, request, work_pb2.ListWorkItemsResponse)


@admin_command(app, "show", example="haversack work show 12 --org acme", shown=_show)
def show(
    admin: AdminEndpoint, *, number: NumberArgument, organization: OrganizationOption
) -> work_pb2.GetWorkItemResponse:
    """Show one work item, and what its last run did."""
    from haversack.admin.v1 import work_pb2

    request = work_pb2.GetWorkItemRequest(organization=organization, number=number)
    return admin.call(admin.work.GetWorkItem, request, work_pb2.GetWorkItemResponse)


@admin_command(app, "retry", example="haversack work retry 12 --org acme", shown=_show_changed)
def retry(
    admin: AdminEndpoint, *, number: NumberArgument, organization: OrganizationOption
) -> work_pb2.RetryWorkItemResponse:
    """Take a dead work item up again, once what its error says is mended."""
    from haversack.admin.v1 import work_pb2

    request = work_pb2.RetryWorkItemRequest(organization=organization, number=number)
    return admin.call(admin.work.RetryWorkItem, request, work_pb2.RetryWorkItemResponse)


@admin_command(app, "run", example="haversack work run 12 --org acme", shown=_show_changed)
def run(
    admin: AdminEndpoint, *, number: NumberArgument, organization: OrganizationOption
) -> work_pb2.RunWorkItemResponse:
    """Run a work item now, not at its time."""
    from haversack.admin.v1 import work_pb2

    request = work_pb2.RunWorkItemRequest(organization=organization, number=number)
    return admin.call(admin.work.RunWorkItem, request, work_pb2.RunWorkItemResponse)
