"""What the commands that change the directory share: how they ask, and how they show what was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Change nothing: tell what is wrong, and what devices would gain and lose.")
]
UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="Id, or domain name, e-mail address or full name that no other user has.")
]
TeamArgument = Annotated[str, typer.Argument(metavar="TEAM", help="Id, or name that no other team has.")]
RoleArgument = Annotated[str, typer.Argument(metavar="ROLE", help="Id, or name that no other role has.")]
IdOption = Annotated[str, typer.Option("--id", metavar="UUID", help="Id of the new row; else a new one.")]
RIGHTS_HELP = "create, read, write, delete, assign, share, append, append-to; several with commas."


def changed(
    admin: AdminEndpoint, organization: str, *edits: directory_pb2.DirectoryEdit, dry_run: bool
) -> directory_pb2.ChangeDirectoryResponse:
    """Makes edits, or tells what they would do."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ChangeDirectoryRequest(organization=organization, edits=edits, dry_run=dry_run)
    return admin.call(admin.directory.ChangeDirectory, request, directory_pb2.ChangeDirectoryResponse)


def given(**values: Any) -> dict[str, Any]:
    """Returns what was given on the command line: an edit leaves alone what it does not name."""
    return {name: value for name, value in values.items() if value is not None}


def show_change(answer: directory_pb2.ChangeDirectoryResponse) -> None:
    """Prints what a change did, or would do."""
    from haversack_server.cli._answers import show_difference
    from haversack_server.cli._output import console

    out = console()
    for row in dict.fromkeys((it.name, it.id) for it in answer.rows):
        out.print(f"{row[0]}  {row[1]}", markup=False)
    rows = f"{answer.row_count:,} rows of the directory"
    if answer.lsn:
        out.print(
            f"{rows} written at LSN {answer.lsn}: devices follow at once" if answer.row_count else "nothing to do"
        )
        return
    out.print(f"dry run: {rows} would be written" if answer.row_count else "dry run: nothing to do")
    if answer.HasField("effect"):
        show_difference(answer.effect)
    for sentence in answer.unforeseen:
        out.print(f"note: {sentence}", markup=False, style="dim")


def reference(row: directory_pb2.DirectoryReference) -> str:
    """Returns a row's name, or its id if it has none."""
    return row.name or row.id


def names(rows: Sequence[directory_pb2.DirectoryReference]) -> str:
    """Returns rows by name in one line."""
    return ", ".join(reference(it) for it in rows)


def read_rights(text: str) -> list[directory_pb2.AccessRight]:
    """Reads rights that are separated by commas; "all" means all of them."""
    from haversack.admin.v1 import directory_pb2

    known: dict[str, Any] = {
        name.removeprefix("ACCESS_RIGHT_"): right for name, right in directory_pb2.AccessRight.items() if right
    }
    if text == "all":
        return list(known.values())
    asked = [it.strip().upper().replace("-", "_") for it in text.split(",")]
    unknown = [it for it in asked if it not in known]
    if unknown:
        raise typer.BadParameter(f"there is no right {unknown[0].lower()!r}; {RIGHTS_HELP}")
    return [known[it] for it in asked]
