"""`haversack ingest`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._options import (
    CaFileOption,
    DataOption,
    EndpointOption,
    JsonOption,
    OrganizationOption,
    TokenOption,
)

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._sending import Sending


class Format(StrEnum):
    """The form of a file."""

    AUTO = "auto"
    CSV = "csv"
    JSON_LINES = "json-lines"


def ingest(
    *,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CSV or JSON Lines, gzipped (.gz) or not.", exists=True, dir_okay=False),
    ],
    organization: OrganizationOption,
    entity: Annotated[str, typer.Option("--entity", metavar="ENTITY", help="Logical name of the rows' entity.")],
    format_: Annotated[Format, typer.Option("--format", help="auto goes by the file's name.")] = Format.AUTO,
    atomic: Annotated[
        bool, typer.Option("--atomic", help="Take all rows of a file in one commit, or none if one is bad.")
    ] = False,
    patch: Annotated[
        bool, typer.Option("--patch", help="Change only the attributes that the file names, of rows that exist.")
    ] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the rows; only the primary id is read.")] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring rows into an organization's staging database.

    Rows that change nothing cost nothing. Bad rows are listed and left out; the exit code is then 1.
    """
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import EXIT_REFUSED
    from haversack_server.cli._sending import sending

    if patch and delete:
        raise typer.BadParameter("a row is changed or deleted, not both", param_hint="--patch")
    headers = [
        admin_pb2.IngestHeader(
            organization=organization,
            entity=entity,
            format=_format(file, format_),
            action=_action(patch=patch, delete=delete),
            atomic=atomic,
            file_name=str(file),
        )
        for file in files
    ]
    with (
        connected(endpoint, token, data, ca_file=ca_file, as_json=as_json) as admin,
        sending(files, shown=not as_json) as sendings,
    ):
        reports = [
            admin.call(admin.ingests.Ingest, _requests(header, it), admin_pb2.IngestResponse)
            for header, it in zip(headers, sendings, strict=True)
        ]
    _print(files, reports, as_json=as_json)
    if any(report.rejected for report in reports):
        raise typer.Exit(EXIT_REFUSED)


def _requests(header: admin_pb2.IngestHeader, sending: Sending) -> Iterator[admin_pb2.IngestRequest]:
    from haversack.admin.v1 import admin_pb2

    yield admin_pb2.IngestRequest(header=header)
    for part in sending.parts():
        yield admin_pb2.IngestRequest(data=part)


def _format(file: Path, chosen: Format) -> admin_pb2.IngestFormat:
    from haversack.admin.v1 import admin_pb2

    names = {
        ".csv": admin_pb2.INGEST_FORMAT_CSV,
        ".jsonl": admin_pb2.INGEST_FORMAT_JSON_LINES,
        ".ndjson": admin_pb2.INGEST_FORMAT_JSON_LINES,
    }
    if chosen is Format.AUTO:
        suffix = Path(file.name.removesuffix(".gz")).suffix.lower()
        if suffix not in names:
            raise typer.BadParameter(f"{file} has none of the endings {', '.join(names)}", param_hint="--format")
        return names[suffix]
    return names[".csv"] if chosen is Format.CSV else names[".jsonl"]


def _action(*, patch: bool, delete: bool) -> admin_pb2.IngestAction:
    from haversack.admin.v1 import admin_pb2

    if patch:
        return admin_pb2.INGEST_ACTION_PATCH
    return admin_pb2.INGEST_ACTION_DELETE if delete else admin_pb2.INGEST_ACTION_UPSERT


_COUNTS = ("read", "inserted", "updated", "deleted", "unchanged", "rejected")


def _print(files: list[Path], reports: list[admin_pb2.IngestResponse], *, as_json: bool) -> None:
    from haversack_server.cli._output import console, print_answer, print_table

    if as_json:
        print_answer(reports)
        return
    rows = [
        (str(file), *(f"{getattr(report, name):,}" for name in _COUNTS))
        for file, report in zip(files, reports, strict=True)
    ]
    print_table(("file", *(f">{name}" for name in _COUNTS)), rows)
    errors = [error for report in reports for error in report.errors]
    if errors:
        refused = [(it.file_name, str(it.line), it.attribute, it.message) for it in errors]
        print_table(("file", ">line", "attribute", "what is wrong"), refused, title="Refused rows")
        left = sum(report.rejected for report in reports) - len(errors)
        if left:
            console().print(f"and {left:,} more")
