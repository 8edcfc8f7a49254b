"""`haversack sync-error`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import sync_errors_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Writes of devices that were refused: look, retry, discard.", no_args_is_help=True)


class State(StrEnum):
    """What was made of a refused write."""

    OPEN = "open"
    RETRIED = "retried"
    DISCARDED = "discarded"
    WITHDRAWN = "withdrawn"
    ALL = "all"


NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="The error's number in the log.")]

_COLUMNS = (">number", "state", "received", "user", "did", "entity", "row", "reason")


def _show_list(answer: sync_errors_pb2.ListSyncErrorsResponse) -> None:
    from haversack_server.cli._output import console, moment, print_table

    rows = [
        (str(it.number), _state(it), moment(it.received_at_us), it.user, _kind(it), it.entity, it.row, _reason(it))
        for it in answer.errors
    ]
    print_table(_COLUMNS, rows)
    if answer.next_after:
        console().print(f"There are more: go on with --after {answer.next_after}")


def _state(error: sync_errors_pb2.SyncError) -> str:
    from haversack.admin.v1 import sync_errors_pb2

    return sync_errors_pb2.SyncErrorState.Name(error.state).removeprefix("SYNC_ERROR_STATE_").lower()


def _kind(error: sync_errors_pb2.SyncError) -> str:
    from haversack.sync.v1 import upload_pb2

    return upload_pb2.MutationKind.Name(error.kind).removeprefix("MUTATION_KIND_").lower()


def _reason(error: sync_errors_pb2.SyncError) -> str:
    from haversack.error.v1 import error_pb2

    return error_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")


def _show(error: sync_errors_pb2.SyncError) -> None:
    from haversack_server.cli._output import console, moment, print_table

    lines = [
        ("sync error", str(error.number)),
        ("state", _state(error)),
        ("did", f"{_kind(error)} {error.entity} {error.row}"),
        ("reason", _reason(error)),
        ("message", error.message),
        ("user", error.user),
        ("device", f"{error.install}, its write {error.mutation}"),
        ("written", f"{moment(error.written_at_us)} by the device's clock"),
        ("received", moment(error.received_at_us)),
    ]
    for name, value in lines:
        console().print(f"{name:<12}{value}", markup=False, soft_wrap=True)
    values = json.loads(error.values_json or "{}") | dict.fromkeys(error.cleared)
    if values:
        rows = [
            (name, "NULL" if value is None else str(value), "x" if name in error.attributes else "")
            for name, value in sorted(values.items())
        ]
        print_table(("attribute", "value", "refused"), rows)


def _show_one(
    answer: sync_errors_pb2.GetSyncErrorResponse
    | sync_errors_pb2.RetrySyncErrorResponse
    | sync_errors_pb2.DiscardSyncErrorResponse,
) -> None:
    _show(answer.error)


def _show_waiting(answer: sync_errors_pb2.GetWriteBackResponse) -> None:
    from haversack_server.cli._output import console, moment

    standing = answer.write_back
    lines = [
        ("waiting", f"{standing.waiting:,} writes"),
        ("oldest", moment(standing.oldest_at_us) if standing.oldest_at_us else ""),
        ("taken", f"{standing.total_written:,} writes"),
        ("refused", f"{standing.total_refused:,} writes"),
        ("last taken", moment(standing.written_at_us) if standing.written_at_us else "never"),
        ("error", standing.error),
        ("failed", moment(standing.failed_at_us) if standing.failed_at_us else ""),
        ("again", moment(standing.next_run_at_us) if standing.next_run_at_us else ""),
    ]
    for name, value in lines:
        if value:
            console().print(f"{name:<12}{value}", markup=False, soft_wrap=True)


def _is_open(answer: sync_errors_pb2.RetrySyncErrorResponse, _: object) -> bool:
    from haversack.admin.v1 import sync_errors_pb2

    return answer.error.state == sync_errors_pb2.SYNC_ERROR_STATE_OPEN


@admin_command(app, "list", example="haversack sync-error list --org acme", shown=_show_list)
def list_sync_errors(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    state: Annotated[State, typer.Option("--state", help="Only those in this state.")] = State.OPEN,
    user: Annotated[str, typer.Option("--user", metavar="ID", help="Only those of this user, by systemuserid.")] = "",
    after: Annotated[int, typer.Option("--after", min=0, help="Only those behind this number.")] = 0,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many to show.")] = 200,
) -> sync_errors_pb2.ListSyncErrorsResponse:
    """List what devices wrote and the server refused, in the order in which it came."""
    from haversack.admin.v1 import sync_errors_pb2

    wanted = f"SYNC_ERROR_STATE_{'UNSPECIFIED' if state == State.ALL else state.name}"
    request = sync_errors_pb2.ListSyncErrorsRequest(
        organization=organization, state=wanted, user=user, after=after, count=count
    )
    return admin.call(admin.sync_errors.ListSyncErrors, request, sync_errors_pb2.ListSyncErrorsResponse)


@admin_command(app, "waiting", example="haversack sync-error waiting --org acme", shown=_show_waiting)
def waiting(admin: AdminEndpoint, *, organization: OrganizationOption) -> sync_errors_pb2.GetWriteBackResponse:
    """Show what devices wrote and the organization's source has yet to take, and what keeps it."""
    from haversack.admin.v1 import sync_errors_pb2

    request = sync_errors_pb2.GetWriteBackRequest(organization=organization)
    return admin.call(admin.sync_errors.GetWriteBack, request, sync_errors_pb2.GetWriteBackResponse)


@admin_command(app, "show", example="haversack sync-error show 3 --org acme", shown=_show_one)
def show(
    admin: AdminEndpoint, *, number: NumberArgument, organization: OrganizationOption
) -> sync_errors_pb2.GetSyncErrorResponse:
    """Show one refused write: what it set, whose it is, and why it was refused."""
    from haversack.admin.v1 import sync_errors_pb2

    request = sync_errors_pb2.GetSyncErrorRequest(organization=organization, number=number)
    return admin.call(admin.sync_errors.GetSyncError, request, sync_errors_pb2.GetSyncErrorResponse)


@admin_command(app, "retry", example="haversack sync-error retry 3 --org acme", shown=_show_one, fails=_is_open)
def retry(
    admin: AdminEndpoint,
    *,
    number: NumberArgument,
    organization: OrganizationOption,
    force: Annotated[
        bool, typer.Option("--force", help="The device's values count whatever the row is now; privileges hold.")
    ] = False,
) -> sync_errors_pb2.RetrySyncErrorResponse:
    """Have a refused write judged again, by what holds now. Exit code 1 if it is refused again."""
    from haversack.admin.v1 import sync_errors_pb2

    request = sync_errors_pb2.RetrySyncErrorRequest(organization=organization, number=number, force=force)
    return admin.call(admin.sync_errors.RetrySyncError, request, sync_errors_pb2.RetrySyncErrorResponse)


@admin_command(app, "discard", example="haversack sync-error discard 3 --org acme", shown=_show_one)
def discard(
    admin: AdminEndpoint, *, number: NumberArgument, organization: OrganizationOption
) -> sync_errors_pb2.DiscardSyncErrorResponse:
    """Put a refused write aside: it stays in the log and is not judged again."""
    from haversack.admin.v1 import sync_errors_pb2

    request = sync_errors_pb2.DiscardSyncErrorRequest(organization=organization, number=number)
    return admin.call(admin.sync_errors.DiscardSyncError, request, sync_errors_pb2.DiscardSyncErrorResponse)
