"""`haversack app`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._confirm import YesOption, confirm, refuse_to_guess
from haversack_server.cli._customizations import DryRunOption, publish_customizations, show_customizations
from haversack_server.cli._options import OrganizationOption
from haversack_server.cli._profile_publishing import NoteOption

if TYPE_CHECKING:
    from haversack.admin.v1 import apps_pb2, entities_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(
    help="Applications: which may work offline, and with which profiles. Changes count with the next publish.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The application's name, as devices give it.")]


def _show(summary: apps_pb2.AppSummary) -> None:
    _show_list([summary])


def _show_list(summaries: Sequence[apps_pb2.AppSummary]) -> None:
    from haversack_server.cli._output import console, print_table

    rows = [
        (
            it.app.name,
            it.app.display_name,
            "yes" if it.app.offline else "",
            ", ".join(it.app.profiles),
            "changed: publish it" if it.changed else "as published",
        )
        for it in summaries
    ]
    print_table(("application", "name for people", "offline", "profiles", ""), rows)
    for it in summaries:
        if it.unpublished_profiles:
            names = ", ".join(it.unpublished_profiles)
            console().print(f"warning: {it.app.name}: devices do not follow {names}", markup=False, style="yellow")


def _show_deleted(_answer: apps_pb2.DeleteAppResponse) -> None:
    from haversack_server.cli._output import console

    console().print("deleted; publish to make it so")


@admin_command(app, "list", example="haversack app list --org acme", shown=_show_list)
def list_apps(admin: AdminEndpoint, *, organization: OrganizationOption) -> Sequence[apps_pb2.AppSummary]:
    """List an organization's applications."""
    from haversack.admin.v1 import apps_pb2

    request = apps_pb2.ListAppsRequest(organization=organization)
    return admin.call(admin.apps.ListApps, request, apps_pb2.ListAppsResponse).apps


@admin_command(app, "show", example="haversack app show visits --org acme", shown=_show)
def show(admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption) -> apps_pb2.AppSummary:
    """Show an application."""
    return _summary(admin, organization, name)


@admin_command(
    app, "save", example="haversack app save visits --profile field --profile service --org acme", shown=_show
)
def save(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    profiles: Annotated[
        list[str] | None, typer.Option("--profile", metavar="NAME", help="One of its profiles; may be repeated.")
    ] = None,
    display_name: Annotated[str, typer.Option(metavar="TEXT", help="Name for people.")] = "",
    offline: Annotated[bool, typer.Option("--offline/--no-offline", help="Whether it may work offline.")] = True,
) -> apps_pb2.AppSummary:
    """Write an application, replacing the one of that name."""
    from haversack.model.v1 import model_pb2

    written = model_pb2.App(name=name, display_name=display_name, offline=offline, profiles=profiles or ())
    return _saved(admin, organization, written)


@admin_command(app, "enable", example="haversack app enable visits --org acme", shown=_show)
def enable(admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption) -> apps_pb2.AppSummary:
    """Let an application work offline."""
    return _switched(admin, organization, name, offline=True)


@admin_command(app, "disable", example="haversack app disable visits --org acme", shown=_show)
def disable(admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption) -> apps_pb2.AppSummary:
    """Keep an application from working offline: its devices are refused, and keep their rows."""
    return _switched(admin, organization, name, offline=False)


@admin_command(app, "delete", example="haversack app delete visits --org acme --yes", shown=_show_deleted)
def delete(
    admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption, yes: YesOption = False
) -> apps_pb2.DeleteAppResponse:
    """Delete an application: from the next publish on its devices are refused."""
    from haversack.admin.v1 import apps_pb2

    refuse_to_guess(admin, yes=yes)
    confirm(f"Delete application {name}?", yes=yes)
    request = apps_pb2.DeleteAppRequest(organization=organization, name=name)
    return admin.call(admin.apps.DeleteApp, request, apps_pb2.DeleteAppResponse)


@admin_command(app, "publish", example="haversack app publish --org acme", shown=show_customizations)
def publish(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> entities_pb2.PublishCustomizationsResponse:
    """Publish applications, and entities, filters and settings with them, as `entity publish` does."""
    return publish_customizations(admin, organization, note=note, dry_run=dry_run, yes=yes)


def _switched(admin: AdminEndpoint, organization: str, name: str, *, offline: bool) -> apps_pb2.AppSummary:
    written = _summary(admin, organization, name).app
    written.offline = offline
    return _saved(admin, organization, written)


def _saved(admin: AdminEndpoint, organization: str, written: model_pb2.App) -> apps_pb2.AppSummary:
    from haversack.admin.v1 import apps_pb2

    request = apps_pb2.SaveAppRequest(organization=organization, app=written)
    return admin.call(admin.apps.SaveApp, request, apps_pb2.SaveAppResponse).summary


def _summary(admin: AdminEndpoint, organization: str, name: str) -> apps_pb2.AppSummary:
    from haversack.admin.v1 import apps_pb2

    request = apps_pb2.GetAppRequest(organization=organization, name=name)
    return admin.call(admin.apps.GetApp, request, apps_pb2.GetAppResponse).summary
