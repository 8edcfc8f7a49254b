"""`haversack org`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._order import in_order

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(
    help="Organizations: make, list, show, change their rules, provision.",
    no_args_is_help=True,
    cls=in_order("create list show set consent provision status stop retry deprovision move"),
)

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The organization's name.", autocompletion=_completion.organizations),
]


class Collation(StrEnum):
    """How strings compare."""

    CI_AI = "CI_AI"
    CI_AS = "CI_AS"


class Kind(StrEnum):
    """What an organization is for."""

    PRODUCTION = "production"
    TRIAL = "trial"
    PREVIEW = "preview"
    SANDBOX = "sandbox"


class FiscalPeriod(StrEnum):
    """The periods that a fiscal year has."""

    ANNUAL = "annual"
    SEMESTER = "semester"
    QUARTER = "quarter"
    MONTH = "month"
    FOUR_WEEK = "four-week"


class Hierarchy(StrEnum):
    """Who sees the rows of those who report to them."""

    OFF = "off"
    MANAGER = "manager"
    POSITION = "position"


class Conflicts(StrEnum):
    """What happens to a device's write when the row has changed meanwhile."""

    CLIENT_WINS = "client-wins"
    SERVER_WINS = "server-wins"
    MERGE = "merge"


class Wipes(StrEnum):
    """What becomes of the writes that wait on a device that is wiped."""

    OFFER_OUTBOX = "offer-outbox"
    DISCARD_OUTBOX = "discard-outbox"


class Weekday(StrEnum):
    """The first day of a week, in the order of its numbers."""

    SUNDAY = "sunday"
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"


KindOption = Annotated[Kind, typer.Option(help="What it is for; only production can be provisioned.")]
RegionOption = Annotated[str, typer.Option(metavar="NAME", help="Where its data is kept, if that matters.")]
TimeZoneOption = Annotated[
    str | None, typer.Option(metavar="IANA", help="What calendar operators use for users who have chosen none.")
]
CollationOption = Annotated[Collation | None, typer.Option(help="Whether accents count: not with CI_AI.")]
NullOption = Annotated[
    bool | None,
    typer.Option("--null-never-matches/--null-matches-negation", help="Whether NULL fails `ne` and its kind."),
]
WeekOption = Annotated[Weekday | None, typer.Option(help="First day of a week.")]
FiscalStartOption = Annotated[
    str | None, typer.Option(metavar="MONTH-DAY", help="First day of a fiscal year, as 04-01.")
]
FiscalPeriodOption = Annotated[FiscalPeriod | None, typer.Option(help="The periods that a fiscal year has.")]
HierarchyOption = Annotated[
    Hierarchy | None, typer.Option("--hierarchy", help="Who sees the rows of those who report to them.")
]
DepthOption = Annotated[
    int | None, typer.Option("--hierarchy-depth", min=0, help="Levels down that hierarchies reach; 0 means 3.")
]
ExcludedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hierarchy-excludes", metavar="ENTITY", help="An entity that hierarchies leave out; may be repeated."
    ),
]
UserAttributeOption = Annotated[
    str | None,
    typer.Option(metavar="ATTRIBUTE", help="Attribute of systemuser that tokens name users by; empty: systemuserid."),
]
WipeOption = Annotated[
    Wipes | None,
    typer.Option("--wipe-policy", help="Whether a device that is wiped offers its writes to the log of sync errors."),
]
ConflictOption = Annotated[
    Conflicts | None,
    typer.Option(
        "--conflict-policy", help="Whose value counts where a device's write meets another's; or each field's."
    ),
]


def _show(organization: admin_pb2.Organization) -> None:
    from haversack_server.cli._output import console, print_table

    lines = (
        ("organization", organization.name),
        ("provisioning", _state_name(organization)),
        ("kind", _kind_name(organization)),
        ("region", organization.region or "none in particular"),
        ("revision", organization.revision or "nothing is published yet"),
        ("LSN", organization.lsn),
        ("epoch", organization.epoch.hex() or "no staging database is served"),
        ("time zone", organization.settings.time_zone or "UTC"),
        ("week from", list(Weekday)[organization.settings.week_start].value),
        ("hierarchy", _hierarchy_name(organization.settings)),
        ("conflicts", _conflicts_name(organization.settings)),
        ("wipes", list(Wipes)[max(organization.settings.wipe_policy, 1) - 1].value),
        ("users by", organization.settings.user_attribute or "systemuserid"),
    )
    for name, value in lines:
        console().print(f"{name:<14}{value}", markup=False)
    if organization.rows or organization.records:
        served = {it.entity: it for it in organization.rows}
        owned = {it.entity: it for it in organization.records}
        rows = [
            (entity, _count(owned, entity), _count(served, entity), f"{(served | owned)[entity].bytes:,}")
            for entity in sorted(served | owned)
        ]
        print_table(("entity", ">rows recorded", ">rows served", ">bytes"), rows)


def _count(held: Mapping[str, admin_pb2.EntityRows], entity: str) -> str:
    return f"{held[entity].rows:,}" if entity in held else ""


def _state_name(organization: admin_pb2.Organization) -> str:
    from haversack.admin.v1 import provisioning_pb2

    return provisioning_pb2.ProvisioningState.Name(organization.provisioning).removeprefix("PROVISIONING_STATE_")


def _kind_name(organization: admin_pb2.Organization) -> str:
    from haversack.admin.v1 import admin_pb2

    return admin_pb2.OrganizationKind.Name(organization.kind).removeprefix("ORGANIZATION_KIND_").lower()


def _show_list(organizations: Sequence[admin_pb2.Organization]) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (
            it.name,
            _state_name(it),
            it.region,
            str(it.revision),
            str(it.lsn),
            f"{sum(entity.rows for entity in it.rows):,}",
        )
        for it in organizations
    ]
    print_table(("organization", "provisioning", "region", ">revision", ">LSN", ">rows served"), rows)


def _hierarchy_name(settings: model_pb2.Settings) -> str:
    return list(Hierarchy)[settings.hierarchy_security.model].value


def _conflicts_name(settings: model_pb2.Settings) -> str:
    # Unspecified and the first policy are the same.
    return list(Conflicts)[max(settings.conflict_policy, 1) - 1].value


def _change(
    settings: model_pb2.Settings,
    *,
    time_zone: str | None,
    collation: Collation | None,
    null_never_matches: bool | None,
    week_start: Weekday | None,
    fiscal_start: str | None,
    fiscal_period: FiscalPeriod | None,
    hierarchy: Hierarchy | None,
    hierarchy_depth: int | None,
    hierarchy_excludes: list[str] | None,
    user_attribute: str | None,
    conflict_policy: Conflicts | None,
    wipe_policy: Wipes | None,
) -> None:
    """Changes what was given, and leaves the rest."""
    from haversack.model.v1 import model_pb2

    if time_zone is not None:
        settings.time_zone = time_zone
    if collation is not None:
        settings.MergeFrom(model_pb2.Settings(collation=f"COLLATION_{collation.value}"))
    if null_never_matches is not None:
        settings.null_never_matches = null_never_matches
    if week_start is not None:
        settings.week_start = list(Weekday).index(week_start)
    if user_attribute is not None:
        settings.user_attribute = user_attribute
    if conflict_policy is not None:
        settings.MergeFrom(model_pb2.Settings(conflict_policy=f"CONFLICT_POLICY_{conflict_policy.name}"))
    if wipe_policy is not None:
        settings.MergeFrom(model_pb2.Settings(wipe_policy=f"WIPE_POLICY_{wipe_policy.name}"))
    if fiscal_start is not None:
        settings.fiscal.start_month, settings.fiscal.start_day = _month_and_day(fiscal_start)
    if fiscal_period is not None:
        settings.fiscal.MergeFrom(model_pb2.FiscalCalendar(period=f"FISCAL_PERIOD_{fiscal_period.name}"))
    _change_hierarchy(settings.hierarchy_security, hierarchy, hierarchy_depth, hierarchy_excludes)


def _change_hierarchy(
    security: model_pb2.HierarchySecurity, hierarchy: Hierarchy | None, depth: int | None, excludes: list[str] | None
) -> None:
    from haversack.model.v1 import model_pb2

    if hierarchy is not None:
        security.ClearField("model")
        if hierarchy != Hierarchy.OFF:
            security.MergeFrom(model_pb2.HierarchySecurity(model=f"HIERARCHY_MODEL_{hierarchy.name}"))
    if depth is not None:
        security.depth = depth
    if excludes:
        security.excluded_entities[:] = excludes


def _month_and_day(text: str) -> tuple[int, int]:
    month, _, day = text.partition("-")
    if not (month.isdecimal() and day.isdecimal()):
        raise typer.BadParameter(f"{text!r} is no month and day; write it as 04-01", param_hint="--fiscal-start")
    return int(month), int(day)


@admin_command(app, "create", example="haversack org create acme --time-zone Europe/Vienna", shown=_show)
def create(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    kind: KindOption = Kind.PRODUCTION,
    region: RegionOption = "",
    time_zone: TimeZoneOption = "UTC",
    collation: CollationOption = Collation.CI_AI,
    null_never_matches: NullOption = False,
    week_start: WeekOption = None,
    fiscal_start: FiscalStartOption = None,
    fiscal_period: FiscalPeriodOption = None,
    hierarchy: HierarchyOption = None,
    hierarchy_depth: DepthOption = None,
    hierarchy_excludes: ExcludedOption = None,
    user_attribute: UserAttributeOption = None,
    conflict_policy: ConflictOption = None,
    wipe_policy: WipeOption = None,
) -> admin_pb2.Organization:
    """Make an organization without rows. Provision it before devices can sync."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.CreateOrganizationRequest(name=name, kind=f"ORGANIZATION_KIND_{kind.name}", region=region)
    _change(
        request.settings,
        time_zone=time_zone,
        collation=collation,
        null_never_matches=null_never_matches,
        week_start=week_start,
        fiscal_start=fiscal_start,
        fiscal_period=fiscal_period,
        hierarchy=hierarchy,
        hierarchy_depth=hierarchy_depth,
        hierarchy_excludes=hierarchy_excludes,
        user_attribute=user_attribute,
        conflict_policy=conflict_policy,
        wipe_policy=wipe_policy,
    )
    answer = admin.call(admin.organizations.CreateOrganization, request, admin_pb2.CreateOrganizationResponse)
    return answer.organization


@admin_command(app, "set", example="haversack org set acme --week-start monday --hierarchy manager", shown=_show)
def set_settings(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    time_zone: TimeZoneOption = None,
    collation: CollationOption = None,
    null_never_matches: NullOption = None,
    week_start: WeekOption = None,
    fiscal_start: FiscalStartOption = None,
    fiscal_period: FiscalPeriodOption = None,
    hierarchy: HierarchyOption = None,
    hierarchy_depth: DepthOption = None,
    hierarchy_excludes: ExcludedOption = None,
    user_attribute: UserAttributeOption = None,
    conflict_policy: ConflictOption = None,
    wipe_policy: WipeOption = None,
) -> admin_pb2.Organization:
    """Change the given rules of an organization; the next publish makes them count."""
    from haversack.admin.v1 import admin_pb2

    known = admin_pb2.GetOrganizationRequest(name=name)
    found = admin.call(admin.organizations.GetOrganization, known, admin_pb2.GetOrganizationResponse)
    request = admin_pb2.SetSettingsRequest(organization=name, settings=found.organization.settings)
    _change(
        request.settings,
        time_zone=time_zone,
        collation=collation,
        null_never_matches=null_never_matches,
        week_start=week_start,
        fiscal_start=fiscal_start,
        fiscal_period=fiscal_period,
        hierarchy=hierarchy,
        hierarchy_depth=hierarchy_depth,
        hierarchy_excludes=hierarchy_excludes,
        user_attribute=user_attribute,
        conflict_policy=conflict_policy,
        wipe_policy=wipe_policy,
    )
    answer = admin.call(admin.organizations.SetSettings, request, admin_pb2.SetSettingsResponse)
    return answer.organization


@admin_command(app, "list", example="haversack org list --json", shown=_show_list)
def list_organizations(admin: AdminEndpoint) -> Sequence[admin_pb2.Organization]:
    """List all organizations."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.ListOrganizationsRequest()
    answer = admin.call(admin.organizations.ListOrganizations, request, admin_pb2.ListOrganizationsResponse)
    return answer.organizations


@admin_command(app, "show", example="haversack org show acme", shown=_show)
def show(admin: AdminEndpoint, *, name: NameArgument) -> admin_pb2.Organization:
    """Show where an organization stands: provisioning, revision, commit order, rows per entity."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.GetOrganizationRequest(name=name)
    answer = admin.call(admin.organizations.GetOrganization, request, admin_pb2.GetOrganizationResponse)
    return answer.organization
