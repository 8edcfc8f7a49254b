"""A CRM in a PostgreSQL database as an organization's system of record: `make demo-postgres`.

It begins at an empty directory: a source is set and checked, the organization provisioned from it, a device synced.
Rows change by SQL and on the device, and after every step both sides are compared. By itself it starts a PostgreSQL
from a wheel; `--url postgresql://role:password@host/database`, of a role that may make databases and replicate, has it
make its database there, and drop it at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crm import Crm, Rows, running
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc, source_pb2, source_pb2_grpc
from haversack.model.v1 import model_pb2
from haversack_client import Device
from haversack_server.demo.narration import Narrator
from haversack_server.demo.organization import Organization
from haversack_server.demo.server import DemoServer
from rich.console import Console

HERE = Path(__file__).parent
NAME = "acme"
WAIT_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.001
"""How often it is looked whether a live device has what it is to have."""

CHANGES = 20
"""Single changes whose way to the device is timed."""


@dataclass
class Stage:
    """Where the demo plays.

    Attributes:
        user: Whose device it is: the user with most accounts.
    """

    folder: Path
    server: DemoServer
    crm: Crm
    user: str
    narrator: Narrator

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.server.admin_token()}"),)

    @property
    def organization(self) -> Organization:
        """The organization."""
        return Organization(self.server.channel, self.server.admin_token(), NAME)

    @property
    def sources(self) -> source_pb2_grpc.SourceServiceStub:
        """The service for sources."""
        return source_pb2_grpc.SourceServiceStub(self.server.channel)

    def device(self) -> Device:
        """The user's device."""
        token = self.server.device_token(NAME, self.user)
        return Device.open(self.folder / "device.db", f"https://{self.server.sync}", token, ca_file=self.server.ca_file)

    def is_equal(self, device: Device) -> bool:
        """Whether a device has what SQL finds of its user's accounts and their contacts."""
        accounts = held(device, "SELECT id, name, city, revenue FROM account")
        contacts = held(device, "SELECT id, full_name, job_title FROM contact")
        there = {
            id_: (name, city, number(revenue)) for id_, (name, city, revenue) in self.crm.accounts(self.user).items()
        }
        here = {id_: (name, city, number(revenue)) for id_, (name, city, revenue) in accounts.items()}
        return here == there and contacts == self.crm.contacts(self.user)


def held(device: Device, query: str) -> Rows:
    """Rows of a device, by id."""
    return {row[0]: tuple(row[1:]) for row in device.query(query)}


def number(value: object) -> float | None:
    """An amount, however it is written."""
    return None if value is None else float(str(value))


def until(
    wanted: Callable[[], bool], *, pause_seconds: float, before: Callable[[], object] | None = None
) -> float | None:
    """Looks until something is so; returns the seconds that it took, or None if it does not come to be."""
    began = time.monotonic()
    while time.monotonic() - began < WAIT_SECONDS_MAX:
        if before:
            before()
        if wanted():
            return time.monotonic() - began
        time.sleep(pause_seconds)
    return None


def synced(device: Device, wanted: Callable[[], bool]) -> bool:
    """Syncs until something is so; returns whether it came to be."""
    return until(wanted, pause_seconds=0.1, before=device.sync) is not None


def connect(stage: Stage) -> None:
    """Sets the source with its mapping, and lets it be checked."""
    tell = stage.narrator
    tell.scene("An organization whose system of record is a PostgreSQL database")
    organizations = admin_pb2_grpc.OrganizationServiceStub(stage.server.channel)
    organizations.CreateOrganization(admin_pb2.CreateOrganizationRequest(name=NAME), metadata=stage.metadata)
    counts = [f"{stage.crm.one(f'SELECT count(*) FROM {it}'):,} {it}" for it in ("users", "accounts", "contacts")]
    tell.say(f"A CRM has {', '.join(counts)}; {HERE.name}/mapping.yaml says what they are.")
    request = source_pb2.SetSourceRequest(
        organization=NAME,
        kind="postgres",
        settings_json=json.dumps(stage.crm.settings),
        secrets=stage.crm.secrets,
        mapping=(HERE / "mapping.yaml").read_text(),
    )
    stage.sources.SetSource(request, metadata=stage.metadata)
    tell.say("`haversack source check` says:")
    answers = stage.sources.CheckSource(source_pb2.CheckSourceRequest(organization=NAME), metadata=stage.metadata)
    findings = [it.finding for it in answers]
    good = [(it.subject, it.what) for it in findings if it.verdict == source_pb2.SOURCE_VERDICT_OK]
    tell.table(("about", "found"), good)
    failures = [it for it in findings if it.verdict == source_pb2.SOURCE_VERDICT_FAILURE]
    tell.check("nothing is found that would keep it from working", holds=not failures)


def provision(stage: Stage) -> None:
    """Provisions the organization from its source, and publishes a profile."""
    tell = stage.narrator
    tell.scene("Provisioning copies tables in the snapshot of a replication slot; a profile says who carries what")
    organization = stage.organization
    began = time.monotonic()
    organization.provision()
    tell.say(f"It took {time.monotonic() - began:.1f} seconds.")
    organization.enable("account")
    organization.enable("contact")
    draft = model_pb2.Profile(name="field", users=[stage.user])
    own = draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_OTHER, owned_by_me=True)
    own.associations.add(relationship="contact_account")
    draft.items.add(entity="contact", criteria=model_pb2.RECORD_CRITERIA_RELATED_ONLY)
    organization.publish(draft)
    tell.check("it is provisioned, and a profile is published", holds=organization.get().revision > 0)


def sync(stage: Stage, device: Device) -> None:
    """Syncs a device for the first time."""
    tell, crm, user = stage.narrator, stage.crm, stage.user
    name = crm.one("SELECT full_name FROM users WHERE id = %s", user)
    tell.scene(f"A device of {name} syncs: own accounts, with their contacts")
    device.sync()
    accounts, contacts = len(crm.accounts(user)), len(crm.contacts(user))
    tell.check(
        f"it holds the {accounts:,} accounts and {contacts:,} contacts that SQL finds, and no others",
        holds=stage.is_equal(device) and 0 < accounts < crm.one("SELECT count(*) FROM accounts"),
    )


def change_by_sql(stage: Stage, device: Device) -> None:
    """Changes rows in the database, while the device is connected."""
    tell, crm, user = stage.narrator, stage.crm, stage.user
    tell.scene("Somebody works in SQL, while the device is connected")
    first, second, third = list(crm.accounts(user))[:3]
    with device.live():
        seconds = []
        for at in range(CHANGES):
            city = f"City {at}"
            crm.run("UPDATE accounts SET city = %s WHERE id = %s", city, first)
            query = "SELECT city FROM account WHERE id = ?"
            took = until(lambda: device.query(query, (first,))[0][0] == city, pause_seconds=LOOK_SECONDS)  # noqa: B023
            seconds.append(took or WAIT_SECONDS_MAX)
        tell.check(f"{CHANGES} changes, one by one, reach the device", holds=max(seconds) < WAIT_SECONDS_MAX)
        median = sorted(seconds)[len(seconds) // 2]
        tell.say(f"From the return of the UPDATE to the row on the device: {1000 * median:.0f} ms in the median.")
        crm.run("DELETE FROM accounts WHERE id = %s", second)
        crm.run("UPDATE accounts SET owner_id = NULL WHERE id = %s", third)
        crm.run(
            "INSERT INTO accounts (id, name, city, revenue, owner_id) VALUES (%s, 'New in SQL', 'Graz', 1000.50, %s)",
            uuid.uuid4(),
            user,
        )
        equal = until(lambda: stage.is_equal(device), pause_seconds=LOOK_SECONDS)
        tell.check(
            "a deletion, another owner and a new account are on it, with what they pull along", holds=equal is not None
        )


def write_offline(stage: Stage, device: Device) -> None:
    """Writes on the device."""
    tell, crm, user = stage.narrator, stage.crm, stage.user
    tell.scene("The device is used without a network, and comes back")
    changed, deleted = list(crm.accounts(user))[:2]
    made = device.create("account", {"name": "Made in the field", "city": "Bregenz"})
    met = device.create("contact", {"full_name": "Met in the field", "account": made})
    device.update("account", changed, {"name": "Changed in the field"})
    device.delete("account", deleted)
    tell.check("SQL finds nothing of it", holds=crm.one("SELECT name FROM accounts WHERE id = %s", made) is None)
    arrived = synced(device, lambda: device.outbox() == [] and stage.is_equal(device))
    tell.check("SQL finds what was made, changed and deleted, and the device shows the same", holds=arrived)
    told = (
        crm.one("SELECT name FROM accounts WHERE id = %s", made),
        str(crm.one("SELECT account_id FROM contacts WHERE id = %s", met)),
        crm.one("SELECT name FROM accounts WHERE id = %s", changed),
        crm.one("SELECT count(*) FROM accounts WHERE id = %s", deleted),
    )
    tell.check("row by row", holds=told == ("Made in the field", made, "Changed in the field", 0))
    writer = str(crm.one("SELECT updated_by FROM accounts WHERE id = %s", changed))
    tell.check("the database's own trigger knows who wrote", holds=writer == user)


def refuse(stage: Stage, device: Device) -> None:
    """Writes what a constraint forbids, and what somebody else has changed meanwhile."""
    tell, crm, user = stage.narrator, stage.crm, stage.user
    tell.scene("The database has the last word: its constraints, and its versions")
    poor, disputed = list(crm.accounts(user))[:2]
    device.update("account", poor, {"revenue": -1})
    synced(device, lambda: bool(device.refused()))
    messages = [it.message for it in device.refused()]
    tell.say(f"The device is told: {' '.join(messages)}")
    tell.check(
        "a negative revenue is refused, in PostgreSQL's words",
        holds=len(messages) == 1 and 'violates check constraint "revenue_is_not_negative"' in messages[0],
    )
    tell.check("the device shows the database's revenue again", holds=synced(device, lambda: stage.is_equal(device)))
    for it in device.refused():
        device.discard(it.number)
    settings = model_pb2.Settings(conflict_policy=model_pb2.CONFLICT_POLICY_SERVER_WINS)
    stage.organization.set_settings(settings)
    stage.organization.publish_customizations()
    device.sync()
    device.update("account", disputed, {"name": "The device's name"})
    crm.run("UPDATE accounts SET name = 'The database''s name' WHERE id = %s", disputed)
    synced(device, lambda: bool(device.refused()))
    reasons = [it.reason for it in device.refused()]
    tell.check(
        "a change of what somebody else has changed meanwhile is a conflict", holds=reasons == ["WRITE_CONFLICT"]
    )
    name = crm.one("SELECT name FROM accounts WHERE id = %s", disputed)
    agreed = synced(device, lambda: stage.is_equal(device))
    tell.check("the database's name stays, and the device shows it", holds=agreed and name == "The database's name")


def leave(stage: Stage) -> None:
    """De-provisions the organization."""
    tell, crm = stage.narrator, stage.crm
    tell.scene("The organization is de-provisioned")
    stage.organization.start_deprovisioning()
    stage.organization.settled()
    kept = (
        crm.one("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"),
        crm.one("SELECT count(*) FROM pg_publication"),
    )
    tell.check("the database keeps no replication slot and no publication for anybody", holds=kept == (0, 0))


def main() -> int:
    """Plays every scene; returns 1 if anything was not as it should be."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument(
        "--url", help="a PostgreSQL server (15 or newer, wal_level = logical), instead of one of ours"
    )
    url: str | None = arguments.parse_args().url
    narrator = Narrator(Console(highlight=False))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="haversack-demo-") as scratch, running(url) as crm:
        with DemoServer(Path(scratch)) as server:
            stage = Stage(Path(scratch), server, crm, crm.busiest(), narrator)
            connect(stage)
            provision(stage)
            with stage.device() as device:
                for scene in (sync, change_by_sql, write_offline, refuse):
                    scene(stage, device)
            leave(stage)
    verdict = f"{narrator.checked - narrator.failed} of {narrator.checked} checks hold"
    narrator.console.print(f"\n[bold]{verdict}, in {time.monotonic() - began:.0f} seconds.[/bold]")
    return 1 if narrator.failed else 0


if __name__ == "__main__":
    sys.exit(main())
