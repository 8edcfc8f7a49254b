"""`haversack entity`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Entities: take in metadata, enable for offline use.", no_args_is_help=True)

EntityArgument = Annotated[
    str,
    typer.Argument(metavar="ENTITY", help="Logical name, as account.", autocompletion=_completion.entities),
]

_ENTITY_COLUMNS = ("entity", ">number", "ownership", "offline", "filter")


def _row(entity: model_pb2.Entity) -> tuple[str, str, str, str, str]:
    from haversack.model.v1 import model_pb2

    ownership = model_pb2.Ownership.Name(entity.ownership).removeprefix("OWNERSHIP_").lower()
    filtered = "yes" if entity.HasField("organization_filter") else ""
    return entity.logical_name, str(entity.number), ownership, "yes" if entity.offline else "", filtered


def _show_import(answer: admin_pb2.ImportMetadataResponse) -> None:
    from haversack_server.cli._output import console

    out = console()
    for what, names in (("added", answer.added), ("changed", answer.changed), ("unchanged", answer.unchanged)):
        if names:
            out.print(f"{what:<11}{len(names)}: {', '.join(names)}", markup=False)
    for note in answer.notes:
        out.print(f"note       {note}", markup=False, style="dim")


def _show_list(entities: Sequence[model_pb2.Entity]) -> None:
    from haversack_server.cli._output import print_table

    print_table(_ENTITY_COLUMNS, [_row(it) for it in entities])


def _show_entity(answer: admin_pb2.GetEntityResponse) -> None:
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._output import print_table

    print_table(_ENTITY_COLUMNS, [_row(answer.entity)])
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


def _show_change(entity: model_pb2.Entity) -> None:
    from haversack_server.cli._output import console

    state = "enabled for offline use" if entity.offline else "disabled"
    console().print(f"{entity.logical_name}: {state}; publish a profile to make it so", markup=False)


@admin_command(app, "import", example="haversack entity import --org acme --standard", shown=_show_import)
def import_metadata(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Documents: JSON, one entity each.", exists=True, dir_okay=False),
    ] = None,
    standard: Annotated[
        bool, typer.Option("--standard", help="Also the documents that Haversack ships: CRM entities, directory.")
    ] = False,
) -> admin_pb2.ImportMetadataResponse:
    """Take in metadata documents: all of them, or none."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.metadata import standard_documents

    sources = [*(standard_documents() if standard else ()), *((str(it), it.read_bytes()) for it in files or ())]
    if not sources:
        raise typer.BadParameter("give files, or --standard", param_hint="FILE...")
    documents = [admin_pb2.MetadataDocument(name=name, content=content) for name, content in sources]
    request = admin_pb2.ImportMetadataRequest(organization=organization, documents=documents)
    return admin.call(admin.entities.ImportMetadata, request, admin_pb2.ImportMetadataResponse)


@admin_command(app, "list", example="haversack entity list --org acme --offline", shown=_show_list)
def list_entities(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    offline: Annotated[bool, typer.Option("--offline", help="Only those enabled for offline use.")] = False,
) -> Sequence[model_pb2.Entity]:
    """List an organization's entities."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.ListEntitiesRequest(organization=organization, offline_only=offline)
    return admin.call(admin.entities.ListEntities, request, admin_pb2.ListEntitiesResponse).entities


@admin_command(app, "show", example="haversack entity show account --org acme", shown=_show_entity)
def show(
    admin: AdminEndpoint, *, entity: EntityArgument, organization: OrganizationOption
) -> admin_pb2.GetEntityResponse:
    """Show an entity with its attributes and relationships."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.GetEntityRequest(organization=organization, entity=entity)
    return admin.call(admin.entities.GetEntity, request, admin_pb2.GetEntityResponse)


@admin_command(
    app, "enable", example="haversack entity enable account --org acme --filter-file recent.xml", shown=_show_change
)
def enable(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    fetch_xml: Annotated[
        str, typer.Option("--filter", metavar="FETCHXML", help="Organization filter, at most three criteria.")
    ] = "",
    filter_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same from a file.", exists=True, dir_okay=False)
    ] = None,
) -> model_pb2.Entity:
    """Enable an entity for offline use; takes effect with the next publish."""
    from haversack.admin.v1 import admin_pb2

    if fetch_xml and filter_file:
        raise typer.BadParameter("give --filter or --filter-file, not both", param_hint="--filter")
    limit = filter_file.read_text() if filter_file else fetch_xml
    request = admin_pb2.EnableEntityRequest(organization=organization, entity=entity, organization_filter=limit)
    return admin.call(admin.entities.EnableEntity, request, admin_pb2.EnableEntityResponse).entity


@admin_command(app, "disable", example="haversack entity disable lead --org acme", shown=_show_change)
def disable(admin: AdminEndpoint, *, entity: EntityArgument, organization: OrganizationOption) -> model_pb2.Entity:
    """Disable an entity that no profile has an item for; takes effect with the next publish."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.DisableEntityRequest(organization=organization, entity=entity)
    return admin.call(admin.entities.DisableEntity, request, admin_pb2.DisableEntityResponse).entity
