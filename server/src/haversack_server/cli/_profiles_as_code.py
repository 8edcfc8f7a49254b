"""`haversack profile export|plan|apply`: profiles as files that a repository keeps.

A plan compares files with drafts and with what devices follow, and asks what applying them would do to devices; it
writes nothing. Applying saves and publishes what differs, and nothing else: a second time there is nothing to do.
Profiles that no file has stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._confirm import YesOption, confirm, refuse_to_guess
from haversack_server.cli._options import OrganizationOption
from haversack_server.cli._profile_publishing import NoteOption
from haversack_server.cli._profiles import MoveOption, RevisionOption, show_warnings

if TYPE_CHECKING:
    from haversack.admin.v1 import profiles_pb2, questions_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer()
"""Merged into that of `haversack profile`."""

NEW, CHANGES, SAME = "new", "changes", "same"

PathsArgument = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of files: YAML or JSON.", exists=True)
]


@dataclass(frozen=True)
class Step:
    """What applying a file would do.

    Attributes:
        profile: The profile's name.
        draft: Whether the draft is new, changes, or is the same.
        published: Whether what devices follow is new, changes, or is the same.
        draft_version: The version that is replaced; 0 if the profile is new.
    """

    profile: str
    draft: str
    published: str
    draft_version: int


@dataclass(frozen=True)
class Plan:
    """What applying files would do.

    Attributes:
        steps: One for each file, by name.
        breaches: Why it cannot be applied; nothing if it can.
        warnings: What looks like a mistake.
        moves: Users who would leave profiles that no file has.
        difference: What users would gain and lose; None if nothing is to be published, or nobody knows.
        difference_unknown: Why nobody knows, if so.
    """

    steps: tuple[Step, ...]
    breaches: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    difference: questions_pb2.DiffResponse | None = None
    difference_unknown: str = ""

    @property
    def differs(self) -> bool:
        """Whether there is something to do."""
        return any(it.draft != SAME or it.published != SAME for it in self.steps)


@dataclass(frozen=True)
class Applied:
    """What applying files has done.

    Attributes:
        saved: Names of the profiles whose draft was written.
        published: What each publish answered, by name of the profile.
    """

    saved: list[str] = field(default_factory=list)
    published: dict[str, profiles_pb2.PublishProfileResponse] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """A profile's file.

    Attributes:
        profile: The profile's name.
        file: Where it was written; empty for stdout.
        content: The file's text.
    """

    profile: str
    file: str
    content: str


def _show_exported(exported: Sequence[Exported]) -> None:
    for it in exported:
        typer.echo(it.file if it.file else it.content, nl=bool(it.file))


def _show_plan(plan: Plan) -> None:
    from haversack_server.cli import _answers
    from haversack_server.cli._output import console, print_table

    print_table(("profile", "draft", "published"), [(it.profile, it.draft, it.published) for it in plan.steps])
    for breach in plan.breaches:
        console().print(f"breach: {breach}", markup=False, style="red")
    show_warnings(plan.warnings)
    for move in plan.moves:
        console().print(f"move: {move}", markup=False)
    if plan.difference is not None:
        _answers.show_difference(plan.difference)
    elif plan.difference_unknown:
        _answers.show_line(f"what users gain and lose is not known: {plan.difference_unknown}")
    if not plan.differs:
        console().print("nothing to do")


def _show_applied(applied: Applied) -> None:
    from haversack_server.cli._output import console

    for name in applied.saved:
        console().print(f"saved {name}", markup=False)
    for name, it in applied.published.items():
        text = f"published {name} as its revision {it.profile_revision}: organization revision {it.revision}"
        console().print(text, markup=False)
        show_warnings(it.warnings)
    if not applied.saved and not applied.published:
        console().print("nothing to do")


def _cannot_stay(plan: Plan, options: Mapping[str, Any]) -> bool:
    return bool(plan.breaches) or bool(options["check"] and plan.differs)


@admin_command(app, "export", example="haversack profile export --org acme --folder profiles", shown=_show_exported)
def export(
    admin: AdminEndpoint,
    *,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Profiles; all if none.")] = None,
    organization: OrganizationOption,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a file each there; else to stdout.", file_okay=False)
    ] = None,
    published: Annotated[bool, typer.Option("--published", help="What devices follow, instead of drafts.")] = False,
    revision: RevisionOption = 0,
) -> Sequence[Exported]:
    """Write drafts as YAML files that `save`, `plan` and `apply` read."""
    from haversack_server.cli._profile_files import file_name, profile_yaml

    if revision and (published or not names or len(names) > 1):
        raise typer.BadParameter("a revision is one of one profile: name that, without --published")
    listed = _summaries(admin, organization)
    chosen = names or [name for name, it in listed.items() if it.revision or not published]
    if folder is None and len(chosen) != 1:
        raise typer.BadParameter(f"there are {len(chosen)} profiles; name one, or give --folder", param_hint="--folder")
    exported = []
    for name in chosen:
        if published and not (name in listed and listed[name].revision):
            raise typer.BadParameter(f"devices do not follow {name}; leave --published out", param_hint="--published")
        content = profile_yaml(_content(admin, organization, name, listed[name].revision if published else revision))
        exported.append(Exported(name, str(folder / file_name(name)) if folder else "", content))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for it in exported:
            Path(it.file).write_text(it.content)
    return exported


@admin_command(app, "plan", example="haversack profile plan profiles --org acme", shown=_show_plan, fails=_cannot_stay)
def plan(
    admin: AdminEndpoint,
    *,
    paths: PathsArgument,
    organization: OrganizationOption,
    check: Annotated[bool, typer.Option("--check", help="End with exit code 1 if there is something to do.")] = False,
) -> Plan:
    """Show what applying files would do to drafts and to devices; writes nothing.

    Exit code 0, also if there is something to do; 1 if it cannot be applied.
    """
    from haversack_server.cli._profile_files import read_profiles

    return _planned(admin, organization, read_profiles(paths))


@admin_command(app, "apply", example="haversack profile apply profiles --org acme --yes", shown=_show_applied)
def apply(
    admin: AdminEndpoint,
    *,
    paths: PathsArgument,
    organization: OrganizationOption,
    note: NoteOption = "",
    move: MoveOption = False,
    yes: YesOption = False,
) -> Applied:
    """Save and publish the profiles in files that differ from what is there; shows the plan, and asks."""
    from haversack_server.cli._output import refuse
    from haversack_server.cli._profile_files import read_profiles

    refuse_to_guess(admin, yes=yes)
    profiles = read_profiles(paths)
    planned = _planned(admin, organization, profiles)
    applied = Applied()
    if planned.breaches:
        refuse({"reason": "PROFILE_INVALID", "message": "\n".join(planned.breaches)}, as_json=admin.as_json)
    if planned.moves and not move:
        said = [*planned.moves, "a user is in one profile at a time; give --move to move them"]
        refuse({"reason": "USER_IN_OTHER_PROFILE", "message": "\n".join(said)}, as_json=admin.as_json)
    if planned.differs:
        if not admin.as_json:
            _show_plan(planned)
        confirm("Apply this?", yes=yes)
        _carry_out(admin, organization, planned, profiles, applied, note=note)
    return applied


def _carry_out(
    admin: AdminEndpoint,
    organization: str,
    planned: Plan,
    profiles: Mapping[str, model_pb2.Profile],
    applied: Applied,
    *,
    note: str,
) -> None:
    """Saves all drafts that differ, then publishes; each only if nobody else has written meanwhile."""
    from haversack.admin.v1 import profiles_pb2

    versions = {it.profile: it.draft_version for it in planned.steps}
    left: set[str] = set()
    for step in planned.steps:
        # A profile that an earlier save has taken users from has another version by that.
        if step.draft == SAME and step.profile not in left:
            continue
        request = profiles_pb2.SaveProfileRequest(
            organization=organization,
            profile=profiles[step.profile],
            move=True,
            draft_version=None if step.profile in left else step.draft_version,
        )
        saved = admin.call(admin.profiles.SaveProfile, request, profiles_pb2.SaveProfileResponse)
        left.update(it.from_profile for it in saved.moved)
        versions[step.profile] = saved.summary.draft_version
        applied.saved.append(step.profile)
    for step in planned.steps:
        if step.published == SAME:
            continue
        publish = profiles_pb2.PublishProfileRequest(
            organization=organization, name=step.profile, note=note, draft_version=versions[step.profile]
        )
        answer = admin.call(admin.profiles.PublishProfile, publish, profiles_pb2.PublishProfileResponse)
        applied.published[step.profile] = answer


def _planned(admin: AdminEndpoint, organization: str, profiles: Mapping[str, model_pb2.Profile]) -> Plan:
    from haversack.admin.v1 import questions_pb2

    from haversack_server.cli._preview import difference

    listed = _summaries(admin, organization)
    steps = tuple(_step(admin, organization, it, listed.get(name)) for name, it in profiles.items())
    breaches, warnings = _judged(admin, organization, profiles, steps)
    made = Plan(steps, tuple(breaches), tuple(warnings), tuple(_moves(admin, organization, profiles, listed)))
    publishing = [profiles[it.profile] for it in steps if it.published != SAME]
    if not publishing or breaches:
        return made
    unsaved = questions_pb2.UnsavedProfiles(profiles=publishing)
    answer = difference(admin, organization, questions_pb2.ProfileState(unsaved=unsaved))
    if isinstance(answer, str):
        return Plan(made.steps, made.breaches, made.warnings, made.moves, difference_unknown=answer)
    return Plan(made.steps, made.breaches, made.warnings, made.moves, difference=answer)


def _step(
    admin: AdminEndpoint, organization: str, profile: model_pb2.Profile, summary: profiles_pb2.ProfileSummary | None
) -> Step:
    if summary is None:
        return Step(profile.name, NEW, NEW, 0)
    draft = _content(admin, organization, profile.name, 0)
    if not summary.revision:
        published = NEW
    else:
        followed = _content(admin, organization, profile.name, summary.revision)
        published = SAME if followed == profile else CHANGES
    return Step(profile.name, SAME if draft == profile else CHANGES, published, summary.draft_version)


def _judged(
    admin: AdminEndpoint, organization: str, profiles: Mapping[str, model_pb2.Profile], steps: Sequence[Step]
) -> tuple[list[str], list[str]]:
    """Returns breaches and warnings of the profiles that differ, and users whom two files have."""
    from haversack.admin.v1 import profiles_pb2

    breaches, warnings = [], []
    where: dict[str, str] = {}
    for name, profile in profiles.items():
        for user in profile.users:
            if where.setdefault(user, name) != name:
                breaches.append(f"user {user} is in {where[user]} and in {name}; a user is in one profile")
    for step in steps:
        if step.draft == SAME and step.published == SAME:
            continue
        request = profiles_pb2.ValidateProfileRequest(organization=organization, profile=profiles[step.profile])
        answer = admin.call(admin.profiles.ValidateProfile, request, profiles_pb2.ValidateProfileResponse)
        breaches += [f"{step.profile}: {it}" for it in answer.breaches]
        warnings += [f"{step.profile}: {it}" for it in answer.warnings]
    return breaches, warnings


def _moves(
    admin: AdminEndpoint,
    organization: str,
    profiles: Mapping[str, model_pb2.Profile],
    listed: Mapping[str, profiles_pb2.ProfileSummary],
) -> list[str]:
    """Returns a sentence for every user of a file who is in a profile that no file has."""
    wanted = {user: name for name, it in profiles.items() for user in it.users}
    said = []
    for name, summary in listed.items():
        if name not in profiles and summary.users:
            users = _content(admin, organization, name, 0).users
            said += [f"user {user} from profile {name} to {wanted[user]}" for user in users if user in wanted]
    return said


def _summaries(admin: AdminEndpoint, organization: str) -> dict[str, profiles_pb2.ProfileSummary]:
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.ListProfilesRequest(organization=organization)
    answer = admin.call(admin.profiles.ListProfiles, request, profiles_pb2.ListProfilesResponse)
    return {it.name: it for it in answer.profiles}


def _content(admin: AdminEndpoint, organization: str, name: str, revision: int) -> model_pb2.Profile:
    """Returns a draft, or the revision of this number if it is not 0, as files have it."""
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.GetProfileRequest(organization=organization, name=name, revision=revision)
    return admin.call(admin.profiles.GetProfile, request, profiles_pb2.GetProfileResponse).profile
