"""`haversack org consent`, `provision`, `stop`, `retry`, `deprovision`, `status` and `move`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._organizations import NameArgument, app

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2, provisioning_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

WatchOption = Annotated[
    bool, typer.Option("--watch", "-w", help="Show what happens until it is over; exit code 1 if it failed.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
RegionArgument = Annotated[str, typer.Argument(metavar="REGION", help="Where to; '' if that does not matter.")]
ConsentOption = Annotated[bool, typer.Option("--consent", help="Consent to the terms in force, without being asked.")]


def _show(provisioning: provisioning_pb2.Provisioning) -> None:
    from haversack_server.cli._progress import show

    show(provisioning)


def _follow(answers: Iterator[provisioning_pb2.Provisioning]) -> provisioning_pb2.Provisioning:
    from haversack_server.cli._progress import follow

    return follow(answers)


def _show_organization(organization: admin_pb2.Organization) -> None:
    from haversack_server.cli._output import console

    where = f"in region {organization.region}" if organization.region else "in no region"
    console().print(f"{organization.name} is {where} now; provision it to serve devices from there", markup=False)


def _has_failed(provisioning: provisioning_pb2.Provisioning, own: Mapping[str, Any]) -> bool:
    """Whether a watch ended with a failure. Without a watch nothing is known of the end."""
    return bool(own.get("watch")) and provisioning.operation.HasField("failure")


@admin_command(app, "consent", example="haversack org consent acme", shown=_show)
def consent(admin: AdminEndpoint, *, name: NameArgument, yes: YesOption = False) -> provisioning_pb2.Provisioning:
    """Show the terms of provisioning, and record that you consent to them."""
    provisioning = _get(admin, name)
    if not yes and not _agreed(provisioning):
        raise typer.Abort
    return _consented(admin, provisioning)


@admin_command(
    app,
    "provision",
    example="haversack org provision acme --consent --watch",
    shown=_show,
    fails=_has_failed,
    followed=_follow,
)
def provision(
    admin: AdminEndpoint, *, name: NameArgument, consented: ConsentOption = False, watch: WatchOption = False
) -> provisioning_pb2.Provisioning | Iterator[provisioning_pb2.Provisioning]:
    """Give an organization a staging database, filled, that its devices sync with.

    Needs consent to the terms: recorded before by `org consent`, given here, or asked for at a terminal.
    """
    from haversack.admin.v1 import provisioning_pb2

    found = _get(admin, name)
    if found.consent.terms != found.terms and (consented or (sys.stdin.isatty() and _agreed(found))):
        _consented(admin, found)
    request = provisioning_pb2.StartProvisioningRequest(organization=name)
    answer = admin.call(admin.provisioning.StartProvisioning, request, provisioning_pb2.StartProvisioningResponse)
    return _watched(admin, name) if watch else answer.provisioning


@admin_command(app, "stop", example="haversack org stop acme --watch", shown=_show, fails=_has_failed, followed=_follow)
def stop(
    admin: AdminEndpoint, *, name: NameArgument, watch: WatchOption = False
) -> provisioning_pb2.Provisioning | Iterator[provisioning_pb2.Provisioning]:
    """Stop provisioning, or give up one that failed; what it made is cleaned up. De-provisioning cannot be stopped."""
    from haversack.admin.v1 import provisioning_pb2

    request = provisioning_pb2.StopProvisioningRequest(organization=name)
    answer = admin.call(admin.provisioning.StopProvisioning, request, provisioning_pb2.StopProvisioningResponse)
    return _watched(admin, name) if watch else answer.provisioning


@admin_command(
    app, "retry", example="haversack org retry acme --watch", shown=_show, fails=_has_failed, followed=_follow
)
def retry(
    admin: AdminEndpoint, *, name: NameArgument, watch: WatchOption = False
) -> provisioning_pb2.Provisioning | Iterator[provisioning_pb2.Provisioning]:
    """Go on from the step that failed, of provisioning or de-provisioning."""
    from haversack.admin.v1 import provisioning_pb2

    request = provisioning_pb2.RetryProvisioningRequest(organization=name)
    answer = admin.call(admin.provisioning.RetryProvisioning, request, provisioning_pb2.RetryProvisioningResponse)
    return _watched(admin, name) if watch else answer.provisioning


@admin_command(
    app,
    "deprovision",
    example="haversack org deprovision acme --yes --watch",
    shown=_show,
    fails=_has_failed,
    followed=_follow,
)
def deprovision(
    admin: AdminEndpoint, *, name: NameArgument, yes: YesOption = False, watch: WatchOption = False
) -> provisioning_pb2.Provisioning | Iterator[provisioning_pb2.Provisioning]:
    """Take the staging database away. Profiles, settings and the organization's own rows stay; devices keep theirs."""
    from haversack.admin.v1 import provisioning_pb2

    question = f"De-provision {name}? Its devices cannot sync until it is provisioned again, and then start over."
    if not yes:
        typer.confirm(question, abort=True, err=True)
    request = provisioning_pb2.StartDeprovisioningRequest(organization=name)
    answer = admin.call(admin.provisioning.StartDeprovisioning, request, provisioning_pb2.StartDeprovisioningResponse)
    return _watched(admin, name) if watch else answer.provisioning


def _show_status(provisioning: provisioning_pb2.Provisioning) -> None:
    from haversack_server.cli._sources import show_status

    _show(provisioning)
    if provisioning.HasField("source"):
        show_status(provisioning.source)


@admin_command(
    app, "status", example="haversack org status acme", shown=_show_status, fails=_has_failed, followed=_follow
)
def status(
    admin: AdminEndpoint, *, name: NameArgument, watch: WatchOption = False
) -> provisioning_pb2.Provisioning | Iterator[provisioning_pb2.Provisioning]:
    """Show where provisioning stands: steps, failures, what to do next; and how far each entity follows its source."""
    return _watched(admin, name) if watch else _get(admin, name)


@admin_command(app, "move", example="haversack org move acme north", shown=_show_organization)
def move(admin: AdminEndpoint, *, name: NameArgument, region: RegionArgument) -> admin_pb2.Organization:
    """Move an organization to another region. It must not be provisioned: de-provision, move, provision."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.MoveOrganizationRequest(organization=name, region=region)
    answer = admin.call(admin.organizations.MoveOrganization, request, admin_pb2.MoveOrganizationResponse)
    return answer.organization


def _get(admin: AdminEndpoint, name: str) -> provisioning_pb2.Provisioning:
    from haversack.admin.v1 import provisioning_pb2

    request = provisioning_pb2.GetProvisioningRequest(organization=name)
    answer = admin.call(admin.provisioning.GetProvisioning, request, provisioning_pb2.GetProvisioningResponse)
    return answer.provisioning


def _watched(admin: AdminEndpoint, name: str) -> Iterator[provisioning_pb2.Provisioning]:
    """Yields where provisioning stands until nothing is under way."""
    from haversack.admin.v1 import provisioning_pb2

    request = provisioning_pb2.WatchProvisioningRequest(organization=name, until_settled=True)
    for answer in admin.stream(
        admin.provisioning.WatchProvisioning, request, provisioning_pb2.WatchProvisioningResponse
    ):
        yield answer.provisioning


def _agreed(provisioning: provisioning_pb2.Provisioning) -> bool:
    """Shows the terms on stderr, and asks."""
    typer.echo(f"Terms of provisioning, version {provisioning.terms}:\n{provisioning.terms_text}", err=True)
    return typer.confirm(f"Do you consent, for organization {provisioning.organization}?", err=True)


def _consented(admin: AdminEndpoint, provisioning: provisioning_pb2.Provisioning) -> provisioning_pb2.Provisioning:
    from haversack.admin.v1 import provisioning_pb2

    request = provisioning_pb2.RecordConsentRequest(organization=provisioning.organization, terms=provisioning.terms)
    answer = admin.call(admin.provisioning.RecordConsent, request, provisioning_pb2.RecordConsentResponse)
    return answer.provisioning
