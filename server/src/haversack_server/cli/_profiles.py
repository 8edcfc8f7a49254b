"""`haversack profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._options import DataOption, EndpointOption, JsonOption, OrganizationOption, TokenOption

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2
    from haversack.model.v1 import model_pb2

app = typer.Typer(help="Offline profiles: write drafts, publish them.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]


@app.command(epilog="Example: haversack profile save sales-representative.yaml --org acme")
def save(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The draft, YAML or JSON.", exists=True, dir_okay=False)],
    organization: OrganizationOption,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a draft, replacing the one of its name; devices see nothing of it until it is published.

    The file has the fields of the contract's message haversack.model.v1.Profile.
    """
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import console, message_json, print_json

    request = admin_pb2.SaveProfileRequest(organization=organization, profile=_read(file))
    with connected(endpoint, token, data, as_json=as_json) as admin:
        answer = admin.call(admin.profiles.SaveProfile, request, admin_pb2.SaveProfileResponse)
    if as_json:
        print_json(message_json(answer))
        return
    console().print(f"saved {answer.summary.name}; publish it to make it so", markup=False)
    for warning in answer.warnings:
        console().print(f"warning: {warning}", markup=False, style="yellow")


@app.command(epilog="Example: haversack profile show sales-representative --org acme --json")
def show(
    *,
    name: NameArgument,
    organization: OrganizationOption,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a draft, as YAML that `save` reads."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import message_json, print_json

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.GetProfileRequest(organization=organization, name=name)
        answer = admin.call(admin.profiles.GetProfile, request, admin_pb2.GetProfileResponse)
    if as_json:
        print_json(message_json(answer))
    else:
        _print_yaml(answer.profile)


@app.command("list", epilog="Example: haversack profile list --org acme")
def list_profiles(
    *,
    organization: OrganizationOption,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an organization's profiles."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import message_json, print_json, print_table

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.ListProfilesRequest(organization=organization)
        answer = admin.call(admin.profiles.ListProfiles, request, admin_pb2.ListProfilesResponse)
    if as_json:
        print_json([message_json(it) for it in answer.profiles])
    else:
        print_table(("profile", ">revision", ">items", ">users", "draft"), [_row(it) for it in answer.profiles])


@app.command(epilog="Example: haversack profile publish sales-representative --org acme")
def publish(
    *,
    name: NameArgument,
    organization: OrganizationOption,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze the draft as the next revision; live devices follow it at once."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import console, message_json, print_json

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.PublishProfileRequest(organization=organization, name=name)
        answer = admin.call(admin.profiles.PublishProfile, request, admin_pb2.PublishProfileResponse)
    if as_json:
        print_json(message_json(answer))
        return
    text = f"published {name} as its revision {answer.profile_revision}: organization revision {answer.revision}"
    console().print(f"{text}, LSN {answer.lsn}", markup=False)


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


def _print_yaml(profile: model_pb2.Profile) -> None:
    import yaml
    from google.protobuf import json_format

    content = json_format.MessageToDict(profile, preserving_proto_field_name=True)
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


def _row(summary: admin_pb2.ProfileSummary) -> tuple[str, str, str, str, str]:
    revision = str(summary.revision) if summary.revision else "not published"
    changed = "changed" if summary.changed else "as published"
    return summary.name, revision, str(summary.items), str(summary.users), changed
