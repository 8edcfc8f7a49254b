"""`haversack entity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._options import DataOption, EndpointOption, JsonOption, OrganizationOption, TokenOption

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2
    from haversack.model.v1 import model_pb2

app = typer.Typer(help="Entities: take in metadata, enable for offline use.", no_args_is_help=True)

EntityArgument = Annotated[str, typer.Argument(metavar="ENTITY", help="Logical name, as account.")]


@app.command("import", epilog="Example: haversack entity import --org acme --standard")
def import_metadata(
    *,
    organization: OrganizationOption,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Documents: JSON, one entity each.", exists=True, dir_okay=False),
    ] = None,
    standard: Annotated[
        bool,
        typer.Option("--standard", help="Also the documents that Haversack ships: CRM entities, directory."),
    ] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in metadata documents: all of them, or none."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.metadata import standard_documents

    sources = [*(standard_documents() if standard else ()), *((str(it), it.read_bytes()) for it in files or ())]
    if not sources:
        raise typer.BadParameter("give files, or --standard", param_hint="FILE...")
    documents = [admin_pb2.MetadataDocument(name=name, content=content) for name, content in sources]
    request = admin_pb2.ImportMetadataRequest(organization=organization, documents=documents)
    with connected(endpoint, token, data, as_json=as_json) as admin:
        answer = admin.call(admin.entities.ImportMetadata, request, admin_pb2.ImportMetadataResponse)
    _print_import(answer, as_json=as_json)


@app.command("list", epilog="Example: haversack entity list --org acme --offline")
def list_entities(
    *,
    organization: OrganizationOption,
    offline: Annotated[bool, typer.Option("--offline", help="Only those enabled for offline use.")] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an organization's entities."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import message_json, print_json, print_table

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.ListEntitiesRequest(organization=organization, offline_only=offline)
        answer = admin.call(admin.entities.ListEntities, request, admin_pb2.ListEntitiesResponse)
    if as_json:
        print_json([message_json(it) for it in answer.entities])
    else:
        print_table(("entity", ">number", "ownership", "offline", "filter"), [_row(it) for it in answer.entities])


@app.command(epilog="Example: haversack entity show account --org acme")
def show(
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an entity with its attributes and relationships."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import message_json, print_json

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.GetEntityRequest(organization=organization, entity=entity)
        answer = admin.call(admin.entities.GetEntity, request, admin_pb2.GetEntityResponse)
    if as_json:
        print_json(message_json(answer))
    else:
        _print_entity(answer)


@app.command(epilog="Example: haversack entity enable account --org acme --filter-file recent-accounts.xml")
def enable(
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    fetch_xml: Annotated[
        str, typer.Option("--filter", metavar="FETCHXML", help="Organization filter, at most three criteria.")
    ] = "",
    filter_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same from a file.", exists=True, dir_okay=False)
    ] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enable an entity for offline use; takes effect with the next publish."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected

    if fetch_xml and filter_file:
        raise typer.BadParameter("give --filter or --filter-file, not both", param_hint="--filter")
    limit = filter_file.read_text() if filter_file else fetch_xml
    request = admin_pb2.EnableEntityRequest(organization=organization, entity=entity, organization_filter=limit)
    with connected(endpoint, token, data, as_json=as_json) as admin:
        answer = admin.call(admin.entities.EnableEntity, request, admin_pb2.EnableEntityResponse)
    _print_changed(answer.entity, "enabled for offline use", as_json=as_json)


@app.command(epilog="Example: haversack entity disable lead --org acme")
def disable(
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Disable an entity that no profile has an item for; takes effect with the next publish."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected

    request = admin_pb2.DisableEntityRequest(organization=organization, entity=entity)
    with connected(endpoint, token, data, as_json=as_json) as admin:
        answer = admin.call(admin.entities.DisableEntity, request, admin_pb2.DisableEntityResponse)
    _print_changed(answer.entity, "disabled", as_json=as_json)


def _print_import(answer: admin_pb2.ImportMetadataResponse, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, message_json, print_json

    if as_json:
        print_json(message_json(answer))
        return
    out = console()
    for what, names in (("added", answer.added), ("changed", answer.changed), ("unchanged", answer.unchanged)):
        if names:
            out.print(f"{what:<11}{len(names)}: {', '.join(names)}", markup=False)
    for note in answer.notes:
        out.print(f"note       {note}", markup=False, style="dim")


def _print_changed(entity: model_pb2.Entity, what: str, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, message_json, print_json

    if as_json:
        print_json(message_json(entity))
    else:
        console().print(f"{entity.logical_name}: {what}; publish a profile to make it so", markup=False)


def _row(entity: model_pb2.Entity) -> tuple[str, str, str, str, str]:
    from haversack.model.v1 import model_pb2

    ownership = model_pb2.Ownership.Name(entity.ownership).removeprefix("OWNERSHIP_").lower()
    filtered = "yes" if entity.HasField("organization_filter") else ""
    return entity.logical_name, str(entity.number), ownership, "yes" if entity.offline else "", filtered


def _print_entity(answer: admin_pb2.GetEntityResponse) -> None:
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._output import print_table

    print_table(("entity", ">number", "ownership", "offline", "filter"), [_row(answer.entity)])
    attributes = [
        (
            str(it.number),
            it.logical_name,
            model_pb2.AttributeType.Name(it.type).removeprefix("ATTRIBUTE_TYPE_").lower(),
            ", ".join(it.targets),
        )
        for it in answer.entity.attributes
    ]
    print_table((">number", "attribute", "type", "points at"), attributes)
    print_table(("relationship", "links"), [(it.schema_name, _links(it)) for it in answer.relationships])


def _links(relationship: model_pb2.Relationship) -> str:
    if relationship.HasField("one_to_many"):
        it = relationship.one_to_many
        return f"{it.referencing_entity}.{it.referencing_attribute} -> {it.referenced_entity}"
    links = relationship.many_to_many
    return f"{links.entity1} <- {links.intersect_entity} -> {links.entity2}"
