"""`haversack entity`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._confirm import YesOption
from haversack_server.cli._customizations import DryRunOption, publish_customizations, show_customizations
from haversack_server.cli._options import OrganizationOption
from haversack_server.cli._order import in_order
from haversack_server.cli._profile_publishing import NoteOption
from haversack_server.cli._texts import text_of

if TYPE_CHECKING:
    from haversack.admin.v1 import entities_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(
    help="Entities: take in metadata, enable for offline use, publish.",
    no_args_is_help=True,
    cls=in_order("import list show enable filter disable publish"),
)
filters = typer.Typer(help="Organization filters: what of an entity may be offered to any device at all.")
app.add_typer(filters, name="filter", no_args_is_help=True)

EntityArgument = Annotated[
    str,
    typer.Argument(metavar="ENTITY", help="Logical name, as account.", autocompletion=_completion.entities),
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", metavar="FETCHXML", help="Organization filter, at most three criteria.")
]
FilterFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The same from a file.", exists=True, dir_okay=False)
]

_ENTITY_COLUMNS = ("entity", ">number", "ownership", "offline", "filter")


def _row(entity: model_pb2.Entity) -> tuple[str, str, str, str, str]:
    from haversack.model.v1 import model_pb2

    ownership = model_pb2.Ownership.Name(entity.ownership).removeprefix("OWNERSHIP_").lower()
    filtered = "yes" if entity.HasField("organization_filter") else ""
    return entity.logical_name, str(entity.number), ownership, "yes" if entity.offline else "", filtered


def _show_import(answer: entities_pb2.ImportMetadataResponse) -> None:
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


def _show_entity(answer: entities_pb2.GetEntityResponse) -> None:
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._output import console, print_table

    print_table(_ENTITY_COLUMNS, [_row(answer.entity)])
    if answer.entity.HasField("organization_filter"):
        console().print(f"organization filter: {answer.entity.organization_filter.fetch_xml}", markup=False)
    if not answer.mobile:
        console().print("not enabled for mobile, so it cannot be enabled for offline use")
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

    limit = entity.organization_filter.fetch_xml if entity.HasField("organization_filter") else "none"
    text = f"{entity.logical_name}: enabled for offline use; publish to make it so"
    console().print(f"{text}\norganization filter: {limit}", markup=False)


def _show_disabled(answer: entities_pb2.DisableEntityResponse) -> None:
    from haversack_server.cli._customizations import show_effect
    from haversack_server.cli._output import console

    console().print(f"{answer.entity.logical_name}: disabled; publish to make it so", markup=False)
    for what, names in (("published profiles", answer.profiles), ("drafts", answer.drafts)):
        if names:
            console().print(f"{what} with an item for it: {', '.join(names)}", markup=False)
    if answer.profiles or answer.drafts:
        show_effect(answer.effect)


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
) -> entities_pb2.ImportMetadataResponse:
    """Take in metadata documents: all of them, or none."""
    from haversack.admin.v1 import entities_pb2

    from haversack_server.metadata import standard_documents

    sources = [*(standard_documents() if standard else ()), *((str(it), it.read_bytes()) for it in files or ())]
    if not sources:
        raise typer.BadParameter("give files, or --standard", param_hint="FILE...")
    documents = [entities_pb2.MetadataDocument(name=name, content=content) for name, content in sources]
    request = entities_pb2.ImportMetadataRequest(organization=organization, documents=documents)
    return admin.call(admin.entities.ImportMetadata, request, entities_pb2.ImportMetadataResponse)


@admin_command(app, "list", example="haversack entity list --org acme --offline", shown=_show_list)
def list_entities(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    offline: Annotated[bool, typer.Option("--offline", help="Only those enabled for offline use.")] = False,
) -> Sequence[model_pb2.Entity]:
    """List an organization's entities."""
    from haversack.admin.v1 import entities_pb2

    request = entities_pb2.ListEntitiesRequest(organization=organization, offline_only=offline)
    return admin.call(admin.entities.ListEntities, request, entities_pb2.ListEntitiesResponse).entities


@admin_command(app, "show", example="haversack entity show account --org acme", shown=_show_entity)
def show(
    admin: AdminEndpoint, *, entity: EntityArgument, organization: OrganizationOption
) -> entities_pb2.GetEntityResponse:
    """Show an entity with its attributes and relationships."""
    from haversack.admin.v1 import entities_pb2

    request = entities_pb2.GetEntityRequest(organization=organization, entity=entity)
    return admin.call(admin.entities.GetEntity, request, entities_pb2.GetEntityResponse)


@admin_command(
    app, "enable", example="haversack entity enable account --org acme --filter-file recent.xml", shown=_show_change
)
def enable(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    fetch_xml: FilterOption = None,
    filter_file: FilterFileOption = None,
    no_filter: Annotated[bool, typer.Option("--no-filter", help="No organization filter: every row counts.")] = False,
) -> model_pb2.Entity:
    """Enable an entity for offline use; takes effect with the next publish.

    It keeps the organization filter that it has, if no option says otherwise.
    """
    from haversack.admin.v1 import entities_pb2

    if sum((fetch_xml is not None, filter_file is not None, no_filter)) > 1:
        raise typer.BadParameter("give one of --filter, --filter-file and --no-filter", param_hint="--filter")
    given = "" if no_filter else _given_filter(fetch_xml, filter_file)
    request = entities_pb2.EnableEntityRequest(organization=organization, entity=entity, organization_filter=given)
    return admin.call(admin.entities.EnableEntity, request, entities_pb2.EnableEntityResponse).entity


@admin_command(app, "disable", example="haversack entity disable lead --org acme", shown=_show_disabled)
def disable(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    force: Annotated[bool, typer.Option("--force", help="Also if profiles have an item for it.")] = False,
) -> entities_pb2.DisableEntityResponse:
    """Disable an entity; takes effect with the next publish: then its rows leave devices."""
    from haversack.admin.v1 import entities_pb2

    request = entities_pb2.DisableEntityRequest(organization=organization, entity=entity, force=force)
    return admin.call(admin.entities.DisableEntity, request, entities_pb2.DisableEntityResponse)


@admin_command(
    filters, "set", example="haversack entity filter set lead --org acme --filter-file recent.xml", shown=_show_change
)
def set_filter(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    organization: OrganizationOption,
    fetch_xml: FilterOption = None,
    filter_file: FilterFileOption = None,
) -> model_pb2.Entity:
    """Set the organization filter of an enabled entity; takes effect with the next publish."""
    given = _given_filter(fetch_xml, filter_file)
    if given is None:
        raise typer.BadParameter("give --filter or --filter-file", param_hint="--filter")
    return _filtered(admin, organization, entity, given)


@admin_command(filters, "clear", example="haversack entity filter clear lead --org acme", shown=_show_change)
def clear_filter(admin: AdminEndpoint, *, entity: EntityArgument, organization: OrganizationOption) -> model_pb2.Entity:
    """Lift the organization filter of an enabled entity; takes effect with the next publish."""
    return _filtered(admin, organization, entity, "")


@admin_command(app, "publish", example="haversack entity publish --org acme --dry-run", shown=show_customizations)
def publish(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> entities_pb2.PublishCustomizationsResponse:
    """Publish entities, organization filters, settings and applications as they are now; profiles stay as published.

    First it shows what that does to devices, and asks.
    """
    return publish_customizations(admin, organization, note=note, dry_run=dry_run, yes=yes)


def _given_filter(fetch_xml: str | None, filter_file: Path | None) -> str | None:
    """Returns the filter that options give; None if they give none."""
    if fetch_xml is not None and filter_file is not None:
        raise typer.BadParameter("give --filter or --filter-file, not both", param_hint="--filter")
    if filter_file is None:
        return fetch_xml
    return text_of(filter_file, option="--filter-file", advice="a filter is FetchXML")


def _filtered(admin: AdminEndpoint, organization: str, entity: str, fetch_xml: str) -> model_pb2.Entity:
    from haversack.admin.v1 import entities_pb2

    request = entities_pb2.SetOrganizationFilterRequest(
        organization=organization, entity=entity, organization_filter=fetch_xml
    )
    return admin.call(admin.entities.SetOrganizationFilter, request, entities_pb2.SetOrganizationFilterResponse).entity
