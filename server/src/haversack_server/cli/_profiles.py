"""`haversack profile`."""

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

app = typer.Typer(help="Offline profiles: write drafts, publish them.", no_args_is_help=True)

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The profile's name.", autocompletion=_completion.profiles),
]


def _show_saved(answer: admin_pb2.SaveProfileResponse) -> None:
    from haversack_server.cli._output import console

    console().print(f"saved {answer.summary.name}; publish it to make it so", markup=False)
    for warning in answer.warnings:
        console().print(f"warning: {warning}", markup=False, style="yellow")


def _show_draft(answer: admin_pb2.GetProfileResponse) -> None:
    import yaml
    from google.protobuf import json_format

    content = json_format.MessageToDict(answer.profile, preserving_proto_field_name=True)
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


def _show_list(summaries: Sequence[admin_pb2.ProfileSummary]) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (
            it.name,
            str(it.revision) if it.revision else "not published",
            str(it.items),
            str(it.users),
            "changed" if it.changed else "as published",
        )
        for it in summaries
    ]
    print_table(("profile", ">revision", ">items", ">users", "draft"), rows)


def _show_published(answer: admin_pb2.PublishProfileResponse) -> None:
    from haversack_server.cli._output import console

    text = f"published as the profile's revision {answer.profile_revision}: organization revision {answer.revision}"
    console().print(f"{text}, LSN {answer.lsn}", markup=False)


@admin_command(app, "save", example="haversack profile save sales-representative.yaml --org acme", shown=_show_saved)
def save(
    admin: AdminEndpoint,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The draft, YAML or JSON.", exists=True, dir_okay=False)],
    organization: OrganizationOption,
) -> admin_pb2.SaveProfileResponse:
    """Write a draft, replacing the one of its name; devices see nothing of it until it is published.

    The file has the fields of the contract's message haversack.model.v1.Profile.
    """
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.SaveProfileRequest(organization=organization, profile=_read(file))
    return admin.call(admin.profiles.SaveProfile, request, admin_pb2.SaveProfileResponse)


@admin_command(app, "show", example="haversack profile show sales-representative --org acme", shown=_show_draft)
def show(admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption) -> admin_pb2.GetProfileResponse:
    """Show a draft, as YAML that `save` reads."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.GetProfileRequest(organization=organization, name=name)
    return admin.call(admin.profiles.GetProfile, request, admin_pb2.GetProfileResponse)


@admin_command(app, "list", example="haversack profile list --org acme", shown=_show_list)
def list_profiles(admin: AdminEndpoint, *, organization: OrganizationOption) -> Sequence[admin_pb2.ProfileSummary]:
    """List an organization's profiles."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.ListProfilesRequest(organization=organization)
    return admin.call(admin.profiles.ListProfiles, request, admin_pb2.ListProfilesResponse).profiles


@admin_command(
    app, "publish", example="haversack profile publish sales-representative --org acme", shown=_show_published
)
def publish(
    admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption
) -> admin_pb2.PublishProfileResponse:
    """Freeze the draft as the next revision; live devices follow it at once."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.PublishProfileRequest(organization=organization, name=name)
    return admin.call(admin.profiles.PublishProfile, request, admin_pb2.PublishProfileResponse)


def _read(file: Path) -> model_pb2.Profile:
    import yaml
    from google.protobuf import json_format
    from haversack.model.v1 import model_pb2

    try:
        content = yaml.safe_load(file.read_text())
        if not isinstance(content, dict):
            raise typer.BadParameter(f"{file} must hold one object, a Profile", param_hint="FILE")
        return json_format.ParseDict(content, model_pb2.Profile())
    except (yaml.YAMLError, json_format.ParseError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from error
