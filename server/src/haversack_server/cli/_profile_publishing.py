"""`haversack profile publish|unpublish|rollback`: what reaches devices, shown before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._confirm import YesOption, confirm, refuse_to_guess
from haversack_server.cli._options import OrganizationOption
from haversack_server.cli._profiles import MoveOption, NameArgument, show_moved, show_warnings

if TYPE_CHECKING:
    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer()
"""Merged into that of `haversack profile`."""

NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for the history.")]


def _show_published(
    answer: profiles_pb2.PublishProfileResponse | profiles_pb2.RollBackProfileResponse,
) -> None:
    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli._output import console

    text = f"published as the profile's revision {answer.profile_revision}: organization revision {answer.revision}"
    console().print(f"{text}, LSN {answer.lsn}", markup=False)
    if isinstance(answer, profiles_pb2.RollBackProfileResponse):
        show_moved(answer.moved)
    show_warnings(answer.warnings)


def _show_unpublished(answer: profiles_pb2.UnpublishProfileResponse) -> None:
    from haversack_server.cli._output import console

    if answer.revision:
        console().print(f"unpublished: organization revision {answer.revision}, LSN {answer.lsn}", markup=False)
    else:
        console().print("nothing to do: devices do not follow it")


@admin_command(
    app,
    "publish",
    example="haversack profile publish sales-representative --org acme --note 'contacts of the last year'",
    shown=_show_published,
)
def publish(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    note: NoteOption = "",
    yes: YesOption = False,
) -> profiles_pb2.PublishProfileResponse:
    """Freeze the draft as the next revision; live devices follow it at once.

    First it shows how large devices get, and what users gain and lose, and asks.
    """
    from haversack.admin.v1 import profiles_pb2, questions_pb2

    from haversack_server.cli import _preview

    refuse_to_guess(admin, yes=yes)
    shown = profiles_pb2.GetProfileRequest(organization=organization, name=name)
    version = admin.call(admin.profiles.GetProfile, shown, profiles_pb2.GetProfileResponse).summary.draft_version
    if not admin.as_json:
        _preview.show_publish(admin, organization, name, questions_pb2.ProfileState(draft=name))
    confirm(f"Publish {name}?", yes=yes)
    request = profiles_pb2.PublishProfileRequest(organization=organization, name=name, note=note, draft_version=version)
    return admin.call(admin.profiles.PublishProfile, request, profiles_pb2.PublishProfileResponse)


@admin_command(
    app,
    "unpublish",
    example="haversack profile unpublish sales-representative --org acme",
    shown=_show_unpublished,
)
def unpublish(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    note: NoteOption = "",
    yes: YesOption = False,
) -> profiles_pb2.UnpublishProfileResponse:
    """End that devices follow a profile: their rows are removed. The draft and all revisions stay."""
    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli import _preview

    refuse_to_guess(admin, yes=yes)
    shown = profiles_pb2.GetProfileRequest(organization=organization, name=name)
    summary = admin.call(admin.profiles.GetProfile, shown, profiles_pb2.GetProfileResponse).summary
    if summary.revision:
        if not admin.as_json:
            _preview.show_size(admin, organization, name)
        confirm(f"Unpublish {name}, and remove all this from devices?", yes=yes)
    request = profiles_pb2.UnpublishProfileRequest(organization=organization, name=name, note=note)
    return admin.call(admin.profiles.UnpublishProfile, request, profiles_pb2.UnpublishProfileResponse)


@admin_command(
    app,
    "rollback",
    example="haversack profile rollback sales-representative 3 --org acme --note 'too many rows'",
    shown=_show_published,
)
def roll_back(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=1, help="As `profile history` tells.")],
    organization: OrganizationOption,
    note: NoteOption = "",
    move: MoveOption = False,
    yes: YesOption = False,
) -> profiles_pb2.RollBackProfileResponse:
    """Publish an earlier revision again: it becomes the newest revision, and the draft.

    First it shows how large devices get, and what users gain and lose, and asks.
    """
    from haversack.admin.v1 import profiles_pb2, questions_pb2

    from haversack_server.cli import _preview

    refuse_to_guess(admin, yes=yes)
    shown = profiles_pb2.GetProfileRequest(organization=organization, name=name, revision=revision)
    earlier = admin.call(admin.profiles.GetProfile, shown, profiles_pb2.GetProfileResponse).profile
    if not admin.as_json:
        unsaved = questions_pb2.UnsavedProfiles(profiles=[earlier])
        _preview.show_publish(admin, organization, name, questions_pb2.ProfileState(unsaved=unsaved))
    confirm(f"Roll {name} back to revision {revision}? It replaces the draft.", yes=yes)
    request = profiles_pb2.RollBackProfileRequest(
        organization=organization, name=name, revision=revision, note=note, move=move
    )
    return admin.call(admin.profiles.RollBackProfile, request, profiles_pb2.RollBackProfileResponse)
