"""`haversack filter`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._options import DataOption, EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from haversack.model.v1 import filter_pb2, model_pb2

app = typer.Typer(help="FetchXML filters by themselves: check, explain, try out.", no_args_is_help=True)

FileArgument = Annotated[
    typer.FileBinaryRead, typer.Argument(metavar="FILE", help="A <filter> or a <fetch>; - reads standard input.")
]
EntityOption = Annotated[str, typer.Option("--entity", metavar="ENTITY", help="Logical name of what is filtered.")]
OrganizationOption = Annotated[
    str | None,
    typer.Option("--org", metavar="NAME", help="Whose metadata and settings count; else the metadata shipped here."),
]
MetadataOption = Annotated[
    list[Path] | None,
    typer.Option("--metadata", metavar="FILE", help="A further metadata document; may be repeated.", exists=True),
]

MICROSECONDS = 1_000_000


@app.command(epilog="Example: haversack filter check open-accounts.xml --entity account")
def check(
    *,
    file: FileArgument,
    entity: EntityOption,
    organization: OrganizationOption = None,
    metadata: MetadataOption = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a filter can be published, and if not, where it is wrong and what would be right."""
    from haversack_server.cli._output import console, print_json

    model = _model(organization, metadata, endpoint, token, data, as_json=as_json)
    _compiled(model, entity, file.read(), as_json=as_json)
    if as_json:
        print_json({"entity": entity, "sound": True})
    else:
        console().print(f"{file.name} is sound for {entity}", markup=False)


@app.command(epilog="Example: haversack filter explain open-accounts.xml --entity account")
def explain(
    *,
    file: FileArgument,
    entity: EntityOption,
    organization: OrganizationOption = None,
    metadata: MetadataOption = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a filter into words, as the engine understands it."""
    from haversack_server.cli._output import print_json
    from haversack_server.filters import explain as in_words

    model = _model(organization, metadata, endpoint, token, data, as_json=as_json)
    lines = in_words(model, entity, _compiled(model, entity, file.read(), as_json=as_json))
    if as_json:
        print_json({"entity": entity, "clauses": lines})
    else:
        typer.echo("\n".join(lines))


@app.command(
    "eval", epilog="Example: haversack filter eval open-accounts.xml --entity account --rows account=accounts.jsonl"
)
def evaluate(
    *,
    file: FileArgument,
    entity: EntityOption,
    rows: Annotated[
        list[str],
        typer.Option("--rows", metavar="ENTITY=FILE", help="JSON Lines of an entity's rows; may be repeated."),
    ],
    user: Annotated[str | None, typer.Option(metavar="ID", help="Who asks: a systemuserid; else a new user.")] = None,
    now: Annotated[str | None, typer.Option(metavar="TIME", help="The instant, ISO 8601 with offset.")] = None,
    organization: OrganizationOption = None,
    metadata: MetadataOption = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try a filter out on rows from files: print the ids of those that it matches.

    Rows of directory entities (systemuser, teammembership, usersettings...) say who the user is. Access does not count.
    """
    from haversack_server.cli._output import print_json, refuse
    from haversack_server.errors import HaversackError
    from haversack_server.filters import matching

    files = _files(rows)
    model = _model(organization, metadata, endpoint, token, data, as_json=as_json)
    node = _compiled(model, entity, file.read(), as_json=as_json)
    try:
        found = matching(model, entity, node, files, user=user or str(uuid.uuid4()), instant_us=_instant(now))
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)
    if as_json:
        print_json({"entity": entity, "matches": found})
    else:
        typer.echo("\n".join(found) or "no row matches")


def _files(rows: Sequence[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for word in rows:
        name, separator, path = word.partition("=")
        if not separator or not Path(path).is_file():
            raise typer.BadParameter(f"{word!r} is not ENTITY=FILE with a file that exists", param_hint="--rows")
        files[name] = files.get(name, b"") + Path(path).read_bytes() + b"\n"
    return files


def _instant(now: str | None) -> int:
    """Microseconds since 1970."""
    try:
        moment = datetime.fromisoformat(now) if now else datetime.now(UTC)
    except ValueError as error:
        raise typer.BadParameter(f"{now!r} is no ISO 8601 time", param_hint="--now") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{now!r} has no offset; write Z for UTC", param_hint="--now")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 24 * 3600 + since.seconds) * MICROSECONDS + since.microseconds


def _compiled(model: model_pb2.Model, entity: str, fetch_xml: bytes, *, as_json: bool) -> filter_pb2.FilterNode:
    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.filters import check as compiled

    try:
        return compiled(model, entity, fetch_xml)
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)


def _model(
    organization: str | None,
    metadata: Sequence[Path] | None,
    endpoint: str | None,
    token: str | None,
    data: Path | None,
    *,
    as_json: bool,
) -> model_pb2.Model:
    """The metadata that filters are read by: an organization's, or that which is shipped, and further documents."""
    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.filters import model_of_documents
    from haversack_server.metadata import standard_documents

    if organization is not None and metadata:
        raise typer.BadParameter("an organization has its own metadata", param_hint="--metadata")
    if organization is not None:
        return _of_organization(organization, endpoint, token, data, as_json=as_json)
    documents = [(path.name, path.read_bytes()) for path in metadata or ()]
    try:
        return model_of_documents([*standard_documents(), *documents])
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)


def _of_organization(
    name: str, endpoint: str | None, token: str | None, data: Path | None, *, as_json: bool
) -> model_pb2.Model:
    from haversack.admin.v1 import admin_pb2, entities_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import connected

    with connected(endpoint, token, data, as_json=as_json) as admin:
        asked = admin_pb2.GetOrganizationRequest(name=name)
        found = admin.call(admin.organizations.GetOrganization, asked, admin_pb2.GetOrganizationResponse)
        listing = entities_pb2.ListEntitiesRequest(organization=name)
        listed = admin.call(admin.entities.ListEntities, listing, entities_pb2.ListEntitiesResponse)
        model = model_pb2.Model(revision=1, organization=name, settings=found.organization.settings)
        for it in listed.entities:
            request = entities_pb2.GetEntityRequest(organization=name, entity=it.logical_name)
            model.entities.append(admin.call(admin.entities.GetEntity, request, entities_pb2.GetEntityResponse).entity)
    return model
