"""Everyday changes while devices are live: a value, an owner, a business unit, the clock."""

import time
from collections.abc import Callable
from datetime import timedelta

from haversack_server.demo.crew import Crew
from haversack_server.demo.dataset import as_csv
from haversack_server.demo.replica import EPOCH
from haversack_server.demo.stage import Stage

AHEAD_SECONDS = 5


def change_a_value(stage: Stage, crew: Crew) -> None:
    """An account's telephone number."""
    account, _ = _account_with_contacts(stage, crew)
    changed = as_csv([["accountid", "telephone1"], [account, "555-0100"]])
    _scene(stage, crew, "An account changes its telephone number", lambda: stage.organization.patch("account", changed))


def change_an_owner(stage: Stage, crew: Crew) -> None:
    """An account with its contacts."""
    account, contacts = _account_with_contacts(stage, crew)
    lynn, unit = stage.data.users()["lynn0"], stage.data.business_units()["Australia"]
    owned = ["ownerid", "ownerid_type", "owningbusinessunit"]

    def reassign() -> None:
        organization = stage.organization
        rows = [[contact, lynn, "systemuser", unit] for contact in contacts]
        organization.patch("contact", as_csv([["contactid", *owned], *rows]))
        organization.patch("account", as_csv([["accountid", *owned], [account, lynn, "systemuser", unit]]))

    with_it = f"{len(contacts)} contact{'s' if len(contacts) != 1 else ''}"
    _scene(stage, crew, f"The account moves from Pamela to Lynn, with {with_it}", reassign)


def change_a_unit(stage: Stage, crew: Crew) -> None:
    """A manager's business unit."""
    stephen, unit = stage.data.users()["stephen0"], stage.data.business_units()["Southwest"]
    moved = as_csv([["systemuserid", "businessunitid"], [stephen, unit]])
    title = "Stephen moves from the Northwest to the Southwest"
    _scene(stage, crew, title, lambda: stage.organization.patch("systemuser", moved))


def let_time_pass(stage: Stage, crew: Crew) -> None:
    """An opportunity that comes to a device because its moment has come, and for nothing else."""
    opportunity = _opportunity(stage, crew)
    due = int(time.time()) + AHEAD_SECONDS
    moment = (EPOCH + timedelta(seconds=due)).strftime("%Y-%m-%dT%H:%M:%SZ")
    dated = as_csv([["opportunityid", "modifiedon"], [opportunity, moment]])
    title = f"An opportunity of Pamela's is dated {AHEAD_SECONDS} seconds ahead, out of the last 400 days"
    _scene(stage, crew, title, lambda: stage.organization.patch("opportunity", dated))
    stage.narrator.scene("The clock goes on; nobody writes anything")
    time.sleep(max(0.0, due - time.time()))
    crew.show_traffic(time.monotonic())


def _scene(stage: Stage, crew: Crew, title: str, change: Callable[[], object]) -> None:
    stage.narrator.scene(title)
    crew.forget_traffic()
    began = time.monotonic()
    change()
    crew.show_traffic(began)


def _account_with_contacts(stage: Stage, crew: Crew) -> tuple[str, list[str]]:
    """Pamela's account with the most contacts, and those of them that are hers."""
    rows = crew.replica.rows(
        "SELECT a.accountid, c.contactid FROM account a JOIN contact c ON c.parentcustomerid = a.accountid "
        "WHERE a.ownerid = ? AND c.ownerid = a.ownerid ORDER BY (SELECT count(*) FROM contact o "
        "WHERE o.parentcustomerid = a.accountid) DESC, a.accountid",
        (stage.data.users()["pamela0"],),
    )
    account = rows[0][0]
    return account, [contact for owner, contact in rows if owner == account]


def _opportunity(stage: Stage, crew: Crew) -> str:
    """The opportunity of Pamela's device that changed last."""
    pamela = next(it for it in crew.devices if it.person.user == stage.data.users()["pamela0"])
    held = pamela.held()["opportunity"]
    marks = ", ".join("?" * len(held))
    found = f"SELECT opportunityid FROM opportunity WHERE opportunityid IN ({marks}) ORDER BY modifiedon DESC, 1"
    opportunity: str = crew.replica.rows(found, list(held))[0][0]
    return opportunity
