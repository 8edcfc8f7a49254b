"""`haversack source`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._order import in_order
from haversack_server.cli._texts import text_of

if TYPE_CHECKING:
    from haversack.admin.v1 import source_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(
    help="Sources: the systems of record that rows come from, and go back to.",
    no_args_is_help=True,
    cls=in_order("add check map import show status pause resume resync rotate-key remove"),
)

NameArgument = Annotated[
    str,
    typer.Argument(metavar="ORG", help="The organization's name.", autocompletion=_completion.organizations),
]
KindOption = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="What it is: odata or postgres; left out, the kind that it has.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting, its value as JSON or as plain text; those that are not named stay. May be repeated.",
    ),
]
UnsetOption = Annotated[
    list[str] | None, typer.Option("--unset", metavar="NAME", help="A setting or a secret to forget. May be repeated.")
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=env:VARIABLE|NAME=file:PATH",
        help="A secret, from a variable of the environment or a file; never on the command line. May be repeated.",
    ),
]
MappingOption = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="YAML", exists=True, dir_okay=False, help="A mapping file; see `source map`."),
]
UseOption = Annotated[
    Path | None,
    typer.Option("--use", metavar="YAML", exists=True, dir_okay=False, help="Make this mapping file count."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Go on until interrupted.")]
EntityArgument = Annotated[str, typer.Argument(metavar="ENTITY", help="The entity's logical name.")]


def _show(source: source_pb2.Source) -> None:
    import json

    from haversack_server.cli._output import console, moment

    lines = [
        ("organization", source.organization),
        ("kind", source.kind),
        ("state", "paused" if source.paused else "active"),
        ("secrets", ", ".join(source.secret_names) or "none"),
        ("mapping", "there is one" if source.has_mapping else "none"),
        ("changed", moment(source.changed_at_us)),
    ]
    lines += [(f"  {name}", json.dumps(value)) for name, value in json.loads(source.settings_json or "{}").items()]
    for name, value in lines:
        console().print(f"{name:<22}{value}", markup=False)


def _show_set(answer: source_pb2.SetSourceResponse) -> None:
    from haversack_server.cli._output import console

    _show(answer.source)
    for note in answer.notes:
        console().print(note, markup=False)


def _show_removed(answer: source_pb2.RemoveSourceResponse) -> None:
    from haversack_server.cli._output import console

    console().print("the source is gone, with its secrets; the organization keeps its rows itself from now on")
    for note in answer.notes:
        console().print(note, markup=False)


_MARKS = {1: ("ok", "green"), 2: ("warning", "yellow"), 3: ("FAILED", "bold red")}


def _follow_findings(answers: Iterator[source_pb2.SourceFinding]) -> source_pb2.SourceFinding:
    """Prints each finding as it comes; returns the gravest."""
    from haversack_server.cli._output import console

    gravest = None
    for finding in answers:
        word, style = _MARKS[finding.verdict]
        console().print(f"{word:<8}", style=style, end="")
        console().print(f"{finding.subject}: {finding.what}", markup=False)
        if finding.remedy:
            console().print(f"        {finding.remedy}", markup=False)
        if gravest is None or finding.verdict > gravest.verdict:
            gravest = finding
    if gravest is None:
        raise typer.Exit(1)
    return gravest


def _show_finding(finding: source_pb2.SourceFinding) -> None:
    """Findings are followed; nothing is left to show."""


def _is_failure(finding: source_pb2.SourceFinding, own: Mapping[str, Any]) -> bool:
    from haversack.admin.v1 import source_pb2

    return finding.verdict == source_pb2.SOURCE_VERDICT_FAILURE


def _show_mapping(answer: source_pb2.MapSourceResponse) -> None:
    typer.echo(answer.mapping, nl=not answer.mapping.endswith("\n"))


def _show_import(answer: source_pb2.ImportSourceMetadataResponse) -> None:
    from haversack_server.cli._output import console, print_table

    for word, names in (("new", answer.added), ("changed", answer.changed), ("as before", answer.unchanged)):
        if names:
            console().print(f"{len(names):,} {word}: {', '.join(names)}", markup=False)
    for note in answer.notes:
        console().print(note, markup=False)
    if answer.kept:
        console().print(f"the source does not bring, and Haversack keeps: {', '.join(answer.kept)}", markup=False)
    if answer.unmapped:
        print_table(("left out", "why"), [(it.subject, it.why) for it in answer.unmapped])


def _show_resync(answer: source_pb2.ResyncEntityResponse) -> None:
    from haversack_server.cli._output import console

    text = f"work item {answer.item.number} reads it in full now; devices hear only of rows that are not as they were"
    console().print(text, markup=False)


def show_status(status: source_pb2.SourceStatus) -> None:
    """Prints how far staging follows a source."""
    from haversack_server.cli._output import console, moment, print_table

    state = ", paused" if status.paused else ""
    console().print(f"source of {status.organization}: {status.kind}{state}", markup=False)
    rows = [_feed_row(it, status.checked_at_us) for it in status.entities]
    print_table(("entity", "state", "followed by", "position", ">lag", ">rows", ">read", ">changes", "next run"), rows)
    errors = [(it.entity or "all", it.error) for it in status.entities if it.error]
    if errors:
        print_table(("entity", "why the last attempt failed"), errors)
    left_out = [(it.entity or "all", f"{why.count:,}", why.why) for it in status.entities for why in it.left_out]
    if left_out:
        print_table(("entity", ">left out", "why"), left_out)
    _show_directory(status)
    if status.queued_writes:
        text = f"{status.queued_writes:,} writes of devices wait for it, since {moment(status.oldest_queued_at_us)}"
        console().print(text + (f": {status.write_error}" if status.write_error else ""), markup=False)


def _show_directory(status: source_pb2.SourceStatus) -> None:
    """Prints who has which part of the directory, if there are two who could."""
    from haversack_server.cli._output import console

    if status.brought:
        console().print(f"directory from the source: {', '.join(status.brought)}", markup=False)
    if status.kept:
        console().print(f"directory kept by Haversack: {', '.join(status.kept)}", markup=False)


def _feed_row(feed: source_pb2.EntityFeed, now_us: int) -> tuple[str, ...]:
    from haversack.admin.v1 import work_pb2

    state = work_pb2.WorkItemState.Name(feed.state).removeprefix("WORK_ITEM_STATE_").lower()
    wait_seconds = max(feed.next_run_at_us - now_us, 0) / 1e6
    read = f"{feed.rows_done:,}" + (f" of {feed.rows_total:,}" if feed.rows_total else "") if feed.rows_done else ""
    return (
        feed.entity or "all of them",
        state if feed.item else "",
        feed.mode,
        feed.position,
        f"{feed.lag_seconds:.1f} s" if feed.HasField("lag_seconds") else "",
        f"{feed.rows:,}",
        read,
        f"{feed.changes:,}" if feed.item else "",
        _next_run(feed, state, wait_seconds),
    )


def _next_run(feed: source_pb2.EntityFeed, state: str, wait_seconds: float) -> str:
    if not feed.item or not feed.next_run_at_us:
        return ""
    if state == "running":
        return "is running"
    return f"in {wait_seconds:.0f} s" if wait_seconds else "now"


def _follow_status(answers: Iterator[source_pb2.SourceStatus]) -> source_pb2.SourceStatus:
    for status in answers:
        show_status(status)
    return status


@admin_command(
    app,
    "add",
    example="haversack source add acme --kind postgres --set url=postgresql://haversack@db.example.com/crm"
    " --secret password=env:CRM_PASSWORD",
    shown=_show_set,
)
def add(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    kind: KindOption = "",
    settings: SetOption = None,
    unset: UnsetOption = None,
    secrets: SecretOption = None,
    mapping: MappingOption = None,
    dry_run: DryRunOption = False,
) -> source_pb2.SetSourceResponse:
    """Give an organization a source outside, or change the one that it has. `source check` then says what will work."""
    import json

    from haversack.admin.v1 import source_pb2

    given = dict(_setting(it) for it in settings or [])
    before = _before(admin, name)
    if before is not None and kind in ("", before.kind):
        kind, given = before.kind, json.loads(before.settings_json) | given
    if not kind:
        raise typer.BadParameter("give --kind for an organization's first source", param_hint="--kind")
    request = source_pb2.SetSourceRequest(
        organization=name,
        kind=kind,
        settings_json=json.dumps({it: value for it, value in given.items() if it not in (unset or [])}),
        secrets=dict(_secret(it) for it in secrets or []),
        forgotten_secrets=unset or [],
        mapping=_mapping(mapping, option="--mapping") if mapping else "",
        dry_run=dry_run,
    )
    return admin.call(admin.sources.SetSource, request, source_pb2.SetSourceResponse)


@admin_command(
    app,
    "check",
    example="haversack source check acme",
    shown=_show_finding,
    followed=_follow_findings,
    fails=_is_failure,
)
def check(admin: AdminEndpoint, *, name: NameArgument) -> Iterator[source_pb2.SourceFinding]:
    """Say within a minute what will work and what will not; exit code 1 if something will not."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.CheckSourceRequest(organization=name)
    for answer in admin.stream(admin.sources.CheckSource, request, source_pb2.CheckSourceResponse):
        yield answer.finding


@admin_command(app, "map", example="haversack source map acme > mapping.yaml", shown=_show_mapping)
def map_source(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    use: UseOption = None,
    in_force: Annotated[bool, typer.Option("--in-force", help="The mapping as it was set last.")] = False,
) -> source_pb2.MapSourceResponse:
    """Make a mapping file of what the source has, to be edited; with --use, make an edited one count."""
    from haversack.admin.v1 import source_pb2

    if use is not None:
        text = _mapping(use, option="--use")
        changing = source_pb2.SetMappingRequest(organization=name, mapping=text)
        admin.call(admin.sources.SetMapping, changing, source_pb2.SetMappingResponse)
        in_force = True
    request = source_pb2.MapSourceRequest(organization=name, in_force=in_force)
    return admin.call(admin.sources.MapSource, request, source_pb2.MapSourceResponse)


@admin_command(app, "import", example="haversack source import acme --dry-run", shown=_show_import)
def import_metadata(
    admin: AdminEndpoint, *, name: NameArgument, dry_run: DryRunOption = False
) -> source_pb2.ImportSourceMetadataResponse:
    """Take in what the source says of its entities, and list what cannot be kept. Provisioning does so by itself."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.ImportSourceMetadataRequest(organization=name, dry_run=dry_run)
    return admin.call(admin.sources.ImportSourceMetadata, request, source_pb2.ImportSourceMetadataResponse)


@admin_command(app, "show", example="haversack source show acme", shown=_show)
def show(admin: AdminEndpoint, *, name: NameArgument) -> source_pb2.Source:
    """Show an organization's source: its settings, and the names of its secrets."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.GetSourceRequest(organization=name)
    return admin.call(admin.sources.GetSource, request, source_pb2.GetSourceResponse).source


@admin_command(
    app, "status", example="haversack source status acme --watch", shown=show_status, followed=_follow_status
)
def status(
    admin: AdminEndpoint, *, name: NameArgument, watch: WatchOption = False
) -> source_pb2.SourceStatus | Iterator[source_pb2.SourceStatus]:
    """Show how far each entity follows: lag, position, rows, errors, and when it runs next."""
    from haversack.admin.v1 import source_pb2

    if watch:
        return _watched(admin, name)
    request = source_pb2.GetSourceStatusRequest(organization=name)
    return admin.call(admin.sources.GetSourceStatus, request, source_pb2.GetSourceStatusResponse).status


@admin_command(app, "pause", example="haversack source pause acme", shown=_show)
def pause(admin: AdminEndpoint, *, name: NameArgument) -> source_pb2.Source:
    """Leave the source alone, both ways; what devices write waits, and they go on with what staging has."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.PauseSourceRequest(organization=name)
    return admin.call(admin.sources.PauseSource, request, source_pb2.PauseSourceResponse).source


@admin_command(app, "resume", example="haversack source resume acme", shown=_show)
def resume(admin: AdminEndpoint, *, name: NameArgument) -> source_pb2.Source:
    """Go on with a source that was paused."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.ResumeSourceRequest(organization=name)
    return admin.call(admin.sources.ResumeSource, request, source_pb2.ResumeSourceResponse).source


@admin_command(app, "resync", example="haversack source resync acme account", shown=_show_resync)
def resync(admin: AdminEndpoint, *, name: NameArgument, entity: EntityArgument) -> source_pb2.ResyncEntityResponse:
    """Read one entity in full again. Devices hear only of rows that are not as they were."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.ResyncEntityRequest(organization=name, entity=entity)
    return admin.call(admin.sources.ResyncEntity, request, source_pb2.ResyncEntityResponse)


def _show_rotated(answer: source_pb2.RotateSourceKeyResponse) -> None:
    from haversack_server.cli._output import console

    console().print(f"the secrets of {answer.sources:,} sources are encrypted with a new key", markup=False)


@admin_command(app, "rotate-key", example="haversack source rotate-key", shown=_show_rotated)
def rotate_key(admin: AdminEndpoint) -> source_pb2.RotateSourceKeyResponse:
    """Encrypt the stored secrets of all sources with a new key, and forget the old one."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.RotateSourceKeyRequest()
    return admin.call(admin.sources.RotateSourceKey, request, source_pb2.RotateSourceKeyResponse)


@admin_command(app, "remove", example="haversack source remove acme --yes", shown=_show_removed)
def remove(admin: AdminEndpoint, *, name: NameArgument, yes: YesOption = False) -> source_pb2.RemoveSourceResponse:
    """Take an organization's source away, with its secrets. The organization must not be provisioned."""
    from haversack.admin.v1 import source_pb2

    if not yes:
        typer.confirm(f"Forget the source of {name}, its mapping and its secrets?", abort=True, err=True)
    request = source_pb2.RemoveSourceRequest(organization=name)
    return admin.call(admin.sources.RemoveSource, request, source_pb2.RemoveSourceResponse)


def _mapping(file: Path, *, option: str) -> str:
    """Reads a mapping file. One with nothing in it is a draft that failed, and means nothing to any source."""
    advice = "a mapping file is YAML, as `haversack source map` drafts it"
    text = text_of(file, option=option, advice=advice)
    if not text.strip():
        raise typer.BadParameter(f"{file} is empty; {advice}", param_hint=option)
    return text


def _before(admin: AdminEndpoint, name: str) -> source_pb2.Source | None:
    """Returns the source that an organization has."""
    from haversack.admin.v1 import source_pb2

    request = source_pb2.GetSourceRequest(organization=name)
    answer = admin.attempt(admin.sources.GetSource, request, source_pb2.GetSourceResponse, unless=("SOURCE_UNKNOWN",))
    return None if isinstance(answer, str) else answer.source


def _watched(admin: AdminEndpoint, name: str) -> Iterator[source_pb2.SourceStatus]:
    from haversack.admin.v1 import source_pb2

    request = source_pb2.WatchSourceStatusRequest(organization=name)
    for answer in admin.stream(admin.sources.WatchSourceStatus, request, source_pb2.WatchSourceStatusResponse):
        yield answer.status


def _setting(text: str) -> tuple[str, object]:
    """Reads NAME=VALUE; a value that is no JSON is text."""
    import json

    name, separator, value = text.partition("=")
    if not (separator and name):
        raise typer.BadParameter(f"{text!r} is no setting; write NAME=VALUE", param_hint="--set")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _secret(text: str) -> tuple[str, str]:
    """Reads NAME=env:VARIABLE or NAME=file:PATH, and gets the secret from there."""
    name, separator, place = text.partition("=")
    kind, colon, where = place.partition(":")
    if not (separator and name and colon and where) or kind not in ("env", "file"):
        # Not the text itself: somebody may have written the secret there.
        raise typer.BadParameter("write NAME=env:VARIABLE or NAME=file:PATH", param_hint="--secret")
    if kind == "env" and where not in os.environ:
        raise typer.BadParameter(f"there is no variable {where} for secret {name}; export it", param_hint="--secret")
    advice = f"it should hold the secret {name}, and nothing else"
    if kind == "env":
        secret = os.environ[where]
    else:
        secret = text_of(Path(where), option="--secret", advice=advice).rstrip("\r\n")
    if not secret.strip():
        place = f"variable {where}" if kind == "env" else where
        raise typer.BadParameter(f"{place} is empty; {advice}", param_hint="--secret")
    return name, secret
