"""`haversack device`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._confirm import YesOption, confirm, refuse_to_guess
from haversack_server.cli._moments import told_moment
from haversack_server.cli._options import OrganizationOption
from haversack_server.cli._order import in_order

if TYPE_CHECKING:
    from haversack.admin.v1 import devices_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

    Answer: TypeAlias = (
        devices_pb2.GetDeviceResponse
        | devices_pb2.ForceFullCheckResponse
        | devices_pb2.BlockDeviceResponse
        | devices_pb2.UnblockDeviceResponse
        | devices_pb2.WipeDeviceResponse
        | devices_pb2.CancelWipeResponse
        | devices_pb2.ForgetDeviceResponse
    )

app = typer.Typer(
    help="Devices: see how they are; have them checked, blocked, wiped.",
    no_args_is_help=True,
    cls=in_order("list show check block unblock wipe cancel-wipe forget"),
)


class Standing(StrEnum):
    """How a device stands."""

    ADMITTED = "admitted"
    BLOCKED = "blocked"
    WIPE_PENDING = "wipe-pending"
    WIPED = "wiped"


InstallArgument = Annotated[str, typer.Argument(metavar="INSTALL", help="The device's install id.")]
UserOption = Annotated[
    str,
    typer.Option(
        "--user",
        metavar="ID",
        help="Only this user's, by systemuserid; else that of everybody who has called with the install.",
        autocompletion=_completion.users,
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Words that the device's user reads.")]

_COLUMNS = ("install", "user", "app", "seen", "stage", ">rows", ">bytes", ">waiting", ">refused", "standing", "error")


def _show_list(answer: devices_pb2.ListDevicesResponse) -> None:
    from haversack_server.cli._output import console, moment, print_table

    rows = [
        (
            it.install,
            it.user_name or it.user,
            it.app,
            moment(it.last_seen_us),
            str(it.report.stage or ""),
            f"{it.report.rows:,}",
            f"{it.report.bytes:,}",
            f"{it.report.pending:,}",
            f"{it.report.refused:,}",
            _standing(it),
            _error(it),
        )
        for it in answer.devices
    ]
    print_table(_COLUMNS, rows)
    if answer.next_page_token:
        console().print(f"There are more: go on with --page {answer.next_page_token}", markup=False)


def _standing(device: devices_pb2.Device) -> str:
    from haversack.admin.v1 import devices_pb2

    word = devices_pb2.DeviceStanding.Name(device.standing).removeprefix("DEVICE_STANDING_").lower().replace("_", "-")
    return f"{word}, check pending" if device.checked_at_us < device.check_ordered_at_us else word


def _error(device: devices_pb2.Device) -> str:
    from haversack.error.v1 import error_pb2

    if device.report.error_reason:
        return error_pb2.ErrorReason.Name(device.report.error_reason).removeprefix("ERROR_REASON_")
    return device.report.error_message


def _show_devices(answer: Answer) -> None:
    from haversack_server.cli._output import console

    for number, device in enumerate(answer.devices):
        if number:
            console().print()
        for name, value in _lines(device):
            console().print(f"{name:<14}{value}", markup=False, soft_wrap=True)


def _lines(device: devices_pb2.Device) -> list[tuple[str, str]]:
    """What is known of a device, line by line."""
    from haversack_server.cli._output import moment

    report = device.report
    lines = [
        ("device", device.install),
        ("user", f"{device.user} ({device.user_name})"),
        ("standing", _standing(device)),
        ("reason", device.reason),
        ("ordered", moment(device.ordered_at_us)),
        ("wiped", moment(device.wiped_at_us)),
        ("application", f"{device.app} {report.app_version}".strip()),
        ("library", device.client),
        ("platform", report.platform),
        ("first seen", moment(device.first_seen_us)),
        ("last seen", moment(device.last_seen_us)),
        (
            "checkpoint",
            f"LSN {device.checkpoint_lsn}, {moment(device.checkpoint_at_us)}" * bool(device.checkpoint_at_us),
        ),
        ("full syncs", str(device.full_syncs)),
        ("stage", str(report.stage or "")),
        ("model", f"{report.model_version:016x}" if report.model_version else ""),
        ("rows", f"{report.rows:,} in {report.bytes:,} bytes"),
        ("outbox", f"{report.pending:,} waiting, {report.refused:,} refused"),
        ("error", f"{_error(device)}: {report.error_message}" if report.error_reason else report.error_message),
        ("failed", f"{moment(report.error_at_us)} by the device's clock" * bool(report.error_at_us)),
        ("checked", moment(device.checked_at_us)),
    ]
    return [(name, value) for name, value in lines if value]


@admin_command(app, "list", example="haversack device list --org acme --error --unseen 7d", shown=_show_list)
def list_devices(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    user: Annotated[
        str,
        typer.Option(
            "--user", metavar="ID", help="Only this user's, by systemuserid.", autocompletion=_completion.users
        ),
    ] = "",
    application: Annotated[
        str,
        typer.Option("--app", metavar="NAME", help="Only those of this application.", autocompletion=_completion.apps),
    ] = "",
    stage: Annotated[int, typer.Option("--stage", min=0, max=7, help="Only those in this stage; 0: in all.")] = 0,
    error: Annotated[bool, typer.Option("--error", help="Only those whose last sync or upload failed.")] = False,
    standing: Annotated[Standing | None, typer.Option("--standing", help="Only those that stand so.")] = None,
    unseen: Annotated[
        str, typer.Option("--unseen", metavar="WHEN", help="Only those not seen since: 7d, or a time as 2026-01-31.")
    ] = "",
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many to show.")] = 200,
    page: Annotated[str, typer.Option("--page", metavar="TOKEN", help="Go on from there.")] = "",
) -> devices_pb2.ListDevicesResponse:
    """List devices, those that called last first, with what they said of themselves."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.ListDevicesRequest(
        organization=organization,
        user=user,
        app=application,
        stage=stage,
        with_error=error,
        standing=f"DEVICE_STANDING_{standing.name if standing else 'UNSPECIFIED'}",
        not_seen_since_us=told_moment(unseen, "--unseen"),
        count=count,
        page_token=page,
    )
    return admin.call(admin.devices.ListDevices, request, devices_pb2.ListDevicesResponse)


@admin_command(
    app, "show", example="haversack device show 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme", shown=_show_devices
)
def show(
    admin: AdminEndpoint, *, install: InstallArgument, organization: OrganizationOption, user: UserOption = ""
) -> devices_pb2.GetDeviceResponse:
    """Show all that is known of a device, once for each user who has called with it."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.GetDeviceRequest(organization=organization, install=install, user=user)
    return admin.call(admin.devices.GetDevice, request, devices_pb2.GetDeviceResponse)


@admin_command(
    app, "check", example="haversack device check 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme", shown=_show_devices
)
def check(
    admin: AdminEndpoint, *, install: InstallArgument, organization: OrganizationOption, user: UserOption = ""
) -> devices_pb2.ForceFullCheckResponse:
    """Have a device count its rows anew and compare all of them; what agrees is not sent again."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.ForceFullCheckRequest(organization=organization, install=install, user=user)
    return admin.call(admin.devices.ForceFullCheck, request, devices_pb2.ForceFullCheckResponse)


@admin_command(
    app,
    "block",
    example="haversack device block 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme --reason 'left on a train'",
    shown=_show_devices,
)
def block(
    admin: AdminEndpoint,
    *,
    install: InstallArgument,
    organization: OrganizationOption,
    user: UserOption = "",
    reason: ReasonOption = "",
) -> devices_pb2.BlockDeviceResponse:
    """Refuse a device's calls until it is unblocked; it keeps its rows and its outbox."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.BlockDeviceRequest(organization=organization, install=install, user=user, reason=reason)
    return admin.call(admin.devices.BlockDevice, request, devices_pb2.BlockDeviceResponse)


@admin_command(
    app,
    "unblock",
    example="haversack device unblock 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme",
    shown=_show_devices,
)
def unblock(
    admin: AdminEndpoint, *, install: InstallArgument, organization: OrganizationOption, user: UserOption = ""
) -> devices_pb2.UnblockDeviceResponse:
    """Serve a device again that was blocked."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.UnblockDeviceRequest(organization=organization, install=install, user=user)
    return admin.call(admin.devices.UnblockDevice, request, devices_pb2.UnblockDeviceResponse)


@admin_command(
    app,
    "wipe",
    example="haversack device wipe 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme --reason stolen --yes",
    shown=_show_devices,
)
def wipe(
    admin: AdminEndpoint,
    *,
    install: InstallArgument,
    organization: OrganizationOption,
    user: UserOption = "",
    reason: ReasonOption = "",
    yes: YesOption = False,
) -> devices_pb2.WipeDeviceResponse:
    """Have a device delete everything that it holds, at its next call.

    Its writes that wait are offered to the log of sync errors first, unless `haversack org set --wipe-policy` says no.
    """
    from haversack.admin.v1 import devices_pb2

    refuse_to_guess(admin, yes=yes)
    whose = f"the user {user}" if user else "every user who has called with it"
    confirm(f"Delete everything on device {install}, for {whose}?", yes=yes)
    request = devices_pb2.WipeDeviceRequest(organization=organization, install=install, user=user, reason=reason)
    return admin.call(admin.devices.WipeDevice, request, devices_pb2.WipeDeviceResponse)


@admin_command(
    app,
    "cancel-wipe",
    example="haversack device cancel-wipe 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme",
    shown=_show_devices,
)
def cancel_wipe(
    admin: AdminEndpoint, *, install: InstallArgument, organization: OrganizationOption, user: UserOption = ""
) -> devices_pb2.CancelWipeResponse:
    """Take the order to wipe a device back, if the device has not heard of it yet."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.CancelWipeRequest(organization=organization, install=install, user=user)
    return admin.call(admin.devices.CancelWipe, request, devices_pb2.CancelWipeResponse)


@admin_command(
    app,
    "forget",
    example="haversack device forget 6f1c2a34-0b1d-4e6f-8a90-1b2c3d4e5f60 --org acme",
    shown=_show_devices,
)
def forget(
    admin: AdminEndpoint, *, install: InstallArgument, organization: OrganizationOption, user: UserOption = ""
) -> devices_pb2.ForgetDeviceResponse:
    """Take a device off the list; one that calls again is a new one."""
    from haversack.admin.v1 import devices_pb2

    request = devices_pb2.ForgetDeviceRequest(organization=organization, install=install, user=user)
    return admin.call(admin.devices.ForgetDevice, request, devices_pb2.ForgetDeviceResponse)
