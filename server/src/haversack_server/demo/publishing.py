"""Profiles: checked, published with what that does shown before, narrowed, rolled back; what came true is compared."""

import time

from haversack.admin.v1 import questions_pb2

from haversack_server.demo.crew import Crew, Foretold
from haversack_server.demo.devices import Change
from haversack_server.demo.stage import DAYS, MANAGERS, REPRESENTATIVES, Stage

FEWER_DAYS = 200
BYTES_PER_KIB = 1024


def validate(stage: Stage) -> None:
    """Checks a draft with a slip, and the one that is meant."""
    narrator, organization = stage.narrator, stage.organization
    narrator.scene("A profile is checked before anybody has it")
    draft = stage.profile(REPRESENTATIVES)
    slip = stage.profile(REPRESENTATIVES)
    association = slip.items[1].associations[0]
    association.filter.fetch_xml = association.filter.fetch_xml.replace("modifiedon", "modifidon")
    breaches = organization.validate(slip).breaches
    for breach in breaches:
        narrator.say(f"refused: {breach}")
    narrator.check("a draft with a misspelt attribute breaks one rule", holds=len(breaches) == 1)
    narrator.check("the one that is meant breaks none", holds=not organization.validate(draft).breaches)


def publish(stage: Stage) -> Foretold:
    """Publishes both profiles, each after a look at what that does; returns what users should gain."""
    narrator, organization = stage.narrator, stage.organization
    narrator.scene("Two profiles are published, and what that does is known before")
    for change in organization.publish_customizations().changes:
        narrator.say(change)
    foretold: Foretold = {}
    for name in (REPRESENTATIVES, MANAGERS):
        draft = stage.profile(name)
        organization.save(draft)
        foretold = {**foretold, **show_effect(stage, name)}
        revision = organization.publish(draft, note="the first one")
        narrator.say(f"{name} is published: the organization is at revision {revision}")
    return foretold


def sync_first(stage: Stage, crew: Crew, foretold: Foretold) -> None:
    """Syncs every device for the first time, and compares it with SQL and with what was foretold."""
    narrator = stage.narrator
    narrator.scene("Three devices sync for the first time")
    before = crew.held()
    results = crew.sync()
    narrator.table(
        ("device", ">rows", ">KiB", ">seconds", "of which"),
        [
            (
                name,
                f"{it.rows:,}",
                f"{it.bytes / BYTES_PER_KIB:,.0f}",
                f"{it.seconds:.2f}",
                ", ".join(f"{part.rows:,} {part.name}" for part in it.entities),
            )
            for name, it in results.items()
        ],
    )
    crew.compare_foretold(before, foretold)
    crew.compare()


def narrow_and_roll_back(stage: Stage, crew: Crew) -> None:
    """Publishes a narrower profile, then the one before again; devices are then as they were."""
    narrator, organization = stage.narrator, stage.organization
    narrator.scene(f"The representatives' profile: opportunities of {FEWER_DAYS} days instead of {DAYS}")
    as_before = crew.held()
    draft = stage.profile(REPRESENTATIVES, FEWER_DAYS)
    organization.save(draft)
    foretold = show_effect(stage, REPRESENTATIVES)
    crew.forget_traffic()
    began = time.monotonic()
    organization.publish(draft, note=f"{FEWER_DAYS} days are enough")
    crew.days = FEWER_DAYS
    crew.show_traffic(began)
    crew.compare_foretold(as_before, foretold)

    narrator.scene("They were not enough: roll back")
    crew.forget_traffic()
    began = time.monotonic()
    answer = organization.roll_back(REPRESENTATIVES, 1, note="orders of last winter are needed")
    crew.days = DAYS
    narrator.table(
        (">revision", "note", "devices follow it"),
        [(str(it.number), it.note, "yes" if it.followed else "") for it in organization.history(REPRESENTATIVES)],
    )
    crew.show_traffic(began)
    after = crew.held()
    rows = sum(len(it) for held in after.values() for it in held.values())
    narrator.check(
        f"revision {answer.profile_revision} is revision 1 again: all {rows:,} rows are as before, value for value",
        holds=after == as_before,
    )


def show_effect(stage: Stage, profile: str) -> Foretold:
    """Shows how large devices get if a profile's draft is published, and what their users gain and lose."""
    organization = stage.organization
    estimate, difference = organization.estimate(profile), organization.difference(profile)
    names = {it.user: it.name for it in stage.people()}
    foretold = _foretold(difference)
    stage.narrator.table(
        ("Estimate and Diff", ">rows", ">KiB", ">gained", ">lost"),
        [
            (
                names.get(it.user, it.user),
                f"{it.total.rows:,}",
                f"{it.total.bytes / BYTES_PER_KIB:,.0f}",
                f"{sum(change.gained for change in foretold.get(it.user, {}).values()):,}",
                f"{sum(change.lost for change in foretold.get(it.user, {}).values()):,}",
            )
            for it in estimate.users
        ],
    )
    return foretold


def _foretold(difference: questions_pb2.DiffResponse) -> dict[str, dict[str, Change]]:
    return {
        user.user: {it.entity: Change(it.gained.rows, it.lost.rows) for it in user.entities}
        for user in difference.users
    }
