"""`haversack schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from haversack_server.cli._options import (
    CaFileOption,
    DataOption,
    EndpointOption,
    JsonOption,
    OrganizationOption,
    TokenOption,
)

app = typer.Typer(help="The row messages that the metadata makes.", no_args_is_help=True)


@app.callback()
def schema() -> None:
    """The row messages that the metadata makes."""


@app.command(epilog="Example: haversack schema export account contact --org acme --output rows.proto")
def export(
    *,
    organization: OrganizationOption,
    entities: Annotated[
        list[str] | None, typer.Argument(metavar="ENTITY...", help="Logical names; all offline ones if none is given.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write; else stdout.")] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write proto3 source of entities' row messages, for those who generate code."""
    from haversack.admin.v1 import entities_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server._core import schema_proto
    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import print_json

    model = model_pb2.Model(organization=organization)
    with connected(endpoint, token, data, ca_file=ca_file, as_json=as_json) as admin:
        names = list(entities or ())
        if not names:
            listing = entities_pb2.ListEntitiesRequest(organization=organization, offline_only=True)
            listed = admin.call(admin.entities.ListEntities, listing, entities_pb2.ListEntitiesResponse)
            names = [it.logical_name for it in listed.entities]
        for name in names:
            request = entities_pb2.GetEntityRequest(organization=organization, entity=name)
            model.entities.append(admin.call(admin.entities.GetEntity, request, entities_pb2.GetEntityResponse).entity)
    source = schema_proto(model.SerializeToString(), names) if names else ""
    if output:
        output.write_text(source)
    if as_json:
        print_json({"entities": names, "file": str(output) if output else None, "proto": source})
    elif not output:
        typer.echo(source, nl=False)
