"""Publishing customizations, as `haversack entity publish` and `haversack app publish` do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._confirm import confirm, refuse_to_guess

if TYPE_CHECKING:
    from haversack.admin.v1 import entities_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")]


def publish_customizations(
    admin: AdminEndpoint, organization: str, *, note: str, dry_run: bool, yes: bool
) -> entities_pb2.PublishCustomizationsResponse:
    """Publishes customizations; first it shows what that does to devices, and asks."""
    from haversack.admin.v1 import entities_pb2

    request = entities_pb2.PublishCustomizationsRequest(organization=organization, note=note, dry_run=True)
    if dry_run:
        return admin.call(admin.entities.PublishCustomizations, request, entities_pb2.PublishCustomizationsResponse)
    refuse_to_guess(admin, yes=yes)
    if not yes:
        expected = admin.call(admin.entities.PublishCustomizations, request, entities_pb2.PublishCustomizationsResponse)
        if not expected.changes:
            return expected
        show_customizations(expected)
        confirm("Publish this?", yes=yes)
    request.dry_run = False
    return admin.call(admin.entities.PublishCustomizations, request, entities_pb2.PublishCustomizationsResponse)


def show_customizations(answer: entities_pb2.PublishCustomizationsResponse) -> None:
    """Prints what publishing customizations has done, or would do."""
    from haversack_server.cli._output import console

    if not answer.changes:
        console().print("nothing to publish")
        return
    for change in answer.changes:
        console().print(f"change: {change}", markup=False)
    show_effect(answer.effect)
    if answer.revision:
        console().print(f"published: organization revision {answer.revision}, LSN {answer.lsn}", markup=False)


def show_effect(effect: entities_pb2.DeviceEffect) -> None:
    """Prints what a publish does to devices."""
    from haversack_server.cli._output import console, print_table

    if effect.not_told:
        console().print(f"devices: what users gain and lose is not known: {effect.not_told}", markup=False)
    else:
        gained, lost = effect.gained, effect.lost
        console().print(
            f"devices: {effect.changed_count:,} of {effect.user_count:,} users see a difference: {gained.rows:,} rows "
            f"({gained.bytes:,} bytes) come, {lost.rows:,} rows ({lost.bytes:,} bytes) go",
            markup=False,
        )
    if effect.metadata:
        rows = [
            (
                it.entity,
                ", ".join(it.profiles),
                ", ".join(it.columns_added),
                ", ".join(it.columns_changed),
                ", ".join(it.columns_removed),
            )
            for it in effect.metadata
        ]
        print_table(("metadata of", "in profiles", "new columns", "changed", "gone"), rows)
