"""From an empty directory to a provisioned organization: entities, rows, a stop, a power cut."""

import time
from collections.abc import Callable, Iterator

from haversack.admin.v1 import provisioning_pb2 as pb
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from haversack_server.demo.dataset import BUSINESS_TABLES, DIRECTORY_TABLES, as_csv
from haversack_server.demo.stage import ROOT_UNIT, Stage
from haversack_server.provisioning.files import staging_files

WHOLE = ("account", "contact", "opportunity", "opportunityproduct", "product", "systemuser")
"""Entities whose default filter is lifted."""

DEFAULTS = 20
"""How many entities are enabled when their metadata is first imported."""

ONE_MORE = "businessunit"
ONE_MORE_FILTER = '<filter><condition attribute="parentbusinessunitid" operator="not-null"/></filter>'


def create(stage: Stage) -> None:
    """Makes the organization, and enables entities."""
    narrator, organization = stage.narrator, stage.organization
    narrator.scene("An empty directory, a server with TLS, an organization")
    narrator.say(f"the server listens on {stage.server.admin} and {stage.server.sync}")
    organization.create(provisioned=False)
    defaults = organization.enabled()
    narrator.check(
        f"{len(defaults)} entities are enabled by default, most for rows of the last 10 days",
        holds=len(defaults) == DEFAULTS,
    )
    for entity in WHOLE:
        organization.enable(entity)
    organization.enable(ONE_MORE, ONE_MORE_FILTER)
    enabled = {it.logical_name: it.organization_filter.fetch_xml for it in organization.enabled()}
    narrator.say(f"{', '.join(WHOLE)}: without a filter now")
    narrator.check(
        f"{ONE_MORE} is enabled too, but for the unit at the top: {enabled.get(ONE_MORE, 'no')}",
        holds=len(enabled) == len(defaults) + 1 and "not-null" in enabled[ONE_MORE],
    )


def fill(stage: Stage) -> int:
    """Brings rows in; returns how many."""
    narrator, data, organization = stage.narrator, stage.data, stage.organization
    narrator.scene("Real data: AdventureWorks as CRM tables")
    units = data.business_units()
    sources: list[tuple[str, bytes]] = [(name, data.table(name)) for name in DIRECTORY_TABLES]
    sources += [
        ("role", data.roles(units[ROOT_UNIT])),
        ("roleprivileges", data.role_privileges()),
        ("systemuserroles", data.role_assignments(stage.roles())),
    ]
    sources += [(name, data.table(name)) for name in BUSINESS_TABLES]
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    started, rows = time.monotonic(), 0
    with Progress(*columns, console=narrator.console, transient=True) as progress:
        task = progress.add_task("", total=len(sources))
        for entity, table in sources:
            progress.update(task, description=entity)
            rows += organization.ingest(entity, table).inserted
            progress.advance(task)
    narrator.say(f"{rows:,} rows of {len(sources)} entities ingested in {time.monotonic() - started:.1f} s")
    moved = [["systemuserid", "businessunitid"], [data.users()["stephen0"], units["Northwest"]]]
    organization.patch("systemuser", as_csv(moved))
    return rows


def stop_in_the_middle(stage: Stage) -> None:
    """Provisions, and stops that while rows are copied."""
    narrator, organization = stage.narrator, stage.organization
    narrator.scene("Consent, provisioning, and a stop in the middle")
    consent = organization.consent().consent
    narrator.say(f"{consent.who} consents to the terms of provisioning, version {consent.terms}")
    organization.start_provisioning()
    last = stage.follow(_doing_once_rows_move(organization.watch(), organization.stop_provisioning))
    narrator.check(
        "stopped: the organization is not provisioned",
        holds=last.state == pb.PROVISIONING_STATE_NOT_PROVISIONED
        and last.operation.state == pb.OPERATION_STATE_STOPPED,
    )
    left = staging_files(stage.databases)
    narrator.check(f"cleaned up: {len(left) or 'no'} staging databases are left", holds=not left)


def survive_a_power_cut(stage: Stage, rows: int) -> None:
    """Provisions again, kills the server while rows are copied, and starts it again."""
    narrator = stage.narrator
    narrator.scene("Provisioning again, and a power cut in the middle")
    organization = stage.organization
    organization.start_provisioning()
    cut = stage.follow(_until_rows_move(organization.watch()))
    stage.server.kill()
    narrator.say("the server is killed, and started again: it goes on by itself")
    stage.server.start()
    organization = stage.organization
    last = stage.follow(organization.watch())
    narrator.check("provisioned", holds=last.state == pb.PROVISIONING_STATE_PROVISIONED)
    narrator.check(
        f"by the same operation, number {last.operation.number}, though its worker died",
        holds=last.operation.number == cut.operation.number and cut.state == pb.PROVISIONING_STATE_PROVISIONING,
    )
    done = _rows_done(last)
    standing = organization.get()
    served = sum(it.rows for it in standing.rows)
    narrator.check(
        f"{done:,} of {rows:,} rows are copied, {served:,} are served", holds=done == rows and served == rows
    )
    narrator.check(f"and no row was copied twice: the last LSN is {standing.lsn:,}", holds=standing.lsn <= rows + 1)


def _doing_once_rows_move(answers: Iterator[pb.Provisioning], then: Callable[[], object]) -> Iterator[pb.Provisioning]:
    """Passes on where provisioning stands, and does something once, as soon as rows are being copied."""
    done = False
    for provisioning in answers:
        yield provisioning
        if not done and _rows_done(provisioning) and provisioning.state == pb.PROVISIONING_STATE_PROVISIONING:
            then()
            done = True


def _until_rows_move(answers: Iterator[pb.Provisioning]) -> Iterator[pb.Provisioning]:
    """Passes on where provisioning stands, and ends as soon as some rows are copied."""
    for provisioning in answers:
        yield provisioning
        if _rows_done(provisioning):
            return


def _rows_done(provisioning: pb.Provisioning) -> int:
    return sum(it.rows_done for it in provisioning.operation.entities)
