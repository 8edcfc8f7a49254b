"""`haversack solution`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._options import (
    CaFileOption,
    DataOption,
    EndpointOption,
    JsonOption,
    OrganizationOption,
    TokenOption,
)

if TYPE_CHECKING:
    from haversack.admin.v1 import solutions_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Profiles as Dataverse's solution zips: export, import.", no_args_is_help=True)


def _show_notes(notes: Sequence[str]) -> None:
    from haversack_server.cli._output import print_table

    if notes:
        print_table(("note",), [(it,) for it in notes])


def _show_import(answer: solutions_pb2.ImportSolutionResponse) -> None:
    from haversack_server.cli._output import console, print_table

    out = console()
    out.print(f"solution {answer.unique_name} {answer.version}", markup=False)
    for what, names in (("added", answer.added), ("changed", answer.changed), ("enabled", answer.enabled)):
        if names:
            out.print(f"{what:<10}{len(names)}: {', '.join(names)}", markup=False)
    rows = [
        (
            it.profile.name,
            "replaced" if it.replaces else "new",
            str(len(it.profile.items)),
            str(sum(len(item.associations) for item in it.profile.items)),
        )
        for it in answer.profiles
    ]
    print_table(("profile", "draft", ">items", ">associations"), rows)
    for imported in answer.profiles:
        for warning in imported.warnings:
            out.print(f"warning: {imported.profile.name}: {warning}", markup=False, style="yellow")
    _show_notes(answer.notes)


@app.command(epilog="Example: haversack solution export field.zip --org acme --profile sales-representative")
def export(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the zip.", dir_okay=False)],
    organization: OrganizationOption,
    profiles: Annotated[
        list[str] | None,
        typer.Option("--profile", metavar="NAME", help="A profile to export; may be repeated; else all."),
    ] = None,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Also the metadata of the entities that they have items for.")
    ] = False,
    unique_name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The solution's unique name; else made of the organization's.")
    ] = "",
    version: Annotated[str, typer.Option("--solution-version", metavar="1.0.0.0", help="Its version.")] = "",
    publisher: Annotated[str, typer.Option(metavar="NAME", help="Its publisher's unique name; else haversack.")] = "",
    prefix: Annotated[str, typer.Option(metavar="PREFIX", help="The publisher's prefix; else hvsk.")] = "",
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write drafts as a solution, and list what is not in it."""
    from haversack.admin.v1 import solutions_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import console, print_json

    request = solutions_pb2.ExportSolutionRequest(
        organization=organization,
        profiles=profiles or (),
        with_metadata=metadata,
        unique_name=unique_name,
        version=version,
        publisher=publisher,
        prefix=prefix,
    )
    with connected(endpoint, token, data, ca_file=ca_file, as_json=as_json) as admin:
        answer = admin.call(admin.solutions.ExportSolution, request, solutions_pb2.ExportSolutionResponse)
    file.write_bytes(answer.content)
    names, entities, notes = list(answer.profiles), list(answer.entities), list(answer.notes)
    if as_json:
        printed = {"file": str(file), "bytes": len(answer.content), "unique_name": answer.unique_name}
        print_json(printed | {"profiles": names, "entities": entities, "notes": notes})
        return
    text = f"wrote {file}: solution {answer.unique_name} with {len(names)} profiles and {len(entities)} entities"
    console().print(text, markup=False)
    _show_notes(notes)


@admin_command(
    app, "import", example="haversack solution import field.zip --org acme --metadata --dry-run", shown=_show_import
)
def import_solution(
    admin: AdminEndpoint,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip.", exists=True, dir_okay=False)],
    organization: OrganizationOption,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Also take in the entities in it; only what is new here.")
    ] = False,
    enable: Annotated[
        bool, typer.Option("--enable", help="Enable the entities that the profiles have items for.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be drafted, and change nothing.")] = False,
) -> solutions_pb2.ImportSolutionResponse:
    """Write the drafts of a solution's profiles, all or none, and list what was not taken in. Nothing is published."""
    from haversack.admin.v1 import solutions_pb2

    request = solutions_pb2.ImportSolutionRequest(
        organization=organization,
        content=_content(file),
        with_metadata=metadata,
        enable_entities=enable,
        dry_run=dry_run,
    )
    return admin.call(admin.solutions.ImportSolution, request, solutions_pb2.ImportSolutionResponse)


def _content(file: Path) -> bytes:
    """Reads the zip; one that no server would take is not sent."""
    from haversack_server.solutions import SOLUTION_BYTES_MAX

    if file.stat().st_size > SOLUTION_BYTES_MAX:
        raise typer.BadParameter(f"{file} has more than {SOLUTION_BYTES_MAX:,} bytes", param_hint="FILE")
    return file.read_bytes()
