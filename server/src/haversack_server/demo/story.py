"""The demo's story: fill an organization, publish, sync three devices, change things, check every device each time."""

import csv
import io
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from haversack_server.demo import checks
from haversack_server.demo.dataset import BUSINESS_TABLES, DIRECTORY_TABLES, MANAGER, REPRESENTATIVE, DataSet, Role
from haversack_server.demo.devices import FieldDevice, Person
from haversack_server.demo.organization import Organization, read_profile
from haversack_server.demo.replica import Replica
from haversack_server.provisioning.files import newest

OFFLINE = ("account", "contact", "opportunity", "opportunityproduct", "product", "systemuser", "businessunit")
DAYS = 400
FEWER_DAYS = 200
QUIET_SECONDS = 1.0
SETTLE_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Stage:
    """Where the demo plays."""

    data_set: Path
    folder: Path
    databases: Path
    admin: str
    admin_token: str
    sync: str
    ca_file: Path
    token: Callable[[str], str]


class Story:
    """Tells the story on a console. `tell` returns whether every device agreed every time."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._data = DataSet(stage.data_set, datetime.now(UTC).date())
        self._users = self._data.users()
        self._units = self._data.business_units()
        self._days = DAYS
        self._agreed = True

    def tell(self) -> bool:
        """Plays every scene."""
        with ExitStack() as cleanup:
            channel = cleanup.enter_context(self._channel())
            self._organization = Organization(channel, self._stage.admin_token, "adventure-works")
            self._fill()
            self._publish()
            self._replica = Replica(newest(self._stage.databases))
            cleanup.callback(self._replica.close)
            self._devices = [self._device(person) for person in self._people()]
            for device in self._devices:
                cleanup.callback(device.close)
            self._first_sync()
            self._compare()
            self._change_things()
        return self._agreed

    def _channel(self) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(self._stage.ca_file.read_bytes())
        return grpc.secure_channel(self._stage.admin, credentials)

    def _people(self) -> list[Person]:
        return [
            Person("Pamela", self._users["pamela0"], checks.REPRESENTATIVE),
            Person("Lynn", self._users["lynn0"], checks.REPRESENTATIVE),
            Person("Stephen", self._users["stephen0"], checks.MANAGER),
        ]

    def _device(self, person: Person) -> FieldDevice:
        return FieldDevice(
            person, self._stage.folder, self._stage.sync, self._stage.token(person.user), self._stage.ca_file
        )

    def _title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]")

    def _fill(self) -> None:
        self._title("An organization with real data: AdventureWorks as CRM tables")
        self._organization.create()
        sources: list[tuple[str, bytes]] = [(name, self._data.table(name)) for name in DIRECTORY_TABLES]
        sources += [
            ("role", self._data.roles(self._units["Adventure Works Cycles"])),
            ("roleprivileges", self._data.role_privileges()),
            ("systemuserroles", self._data.role_assignments(self._assignments())),
        ]
        sources += [(name, self._data.table(name)) for name in BUSINESS_TABLES]
        columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        started, rows = time.monotonic(), 0
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("", total=len(sources))
            for entity, table in sources:
                progress.update(task, description=entity)
                rows += self._organization.ingest(entity, table).inserted
                progress.advance(task)
        seconds = time.monotonic() - started
        self._console.print(f"{rows:,} rows of {len(sources)} entities ingested in {seconds:.1f} s")
        self._move("stephen0", "Northwest")

    def _assignments(self) -> dict[str, Role]:
        return {
            self._users["pamela0"]: REPRESENTATIVE,
            self._users["lynn0"]: REPRESENTATIVE,
            self._users["stephen0"]: MANAGER,
        }

    def _publish(self) -> None:
        for entity in OFFLINE:
            self._organization.enable(entity)
        representatives = [self._users["pamela0"], self._users["lynn0"]]
        self._organization.publish(read_profile(self._profile("sales-representative"), representatives))
        revision = self._organization.publish(
            read_profile(self._profile("territory-manager"), [self._users["stephen0"]])
        )
        self._console.print(f"two profiles published, the organization is at revision {revision}")

    def _profile(self, name: str) -> Path:
        return self._stage.data_set / "profiles" / f"{name}.yaml"

    def _first_sync(self) -> None:
        self._title("Three devices sync for the first time")
        table = Table(box=None, header_style="dim")
        for column in ("device", "entity"):
            table.add_column(column)
        for column in ("rows", "KiB", "seconds"):
            table.add_column(column, justify="right")
        for device in self._devices:
            result = device.sync()
            name = device.person.name
            for entity in result.entities:
                size = f"{entity.bytes / 1024:,.0f}"
                table.add_row(name, entity.name, f"{entity.rows:,}", size, f"{entity.seconds:.2f}")
                name = ""
            size = f"{result.bytes / 1024:,.0f}"
            table.add_row("", "[bold]in all", f"[bold]{result.rows:,}", size, f"{result.seconds:.2f}")
        self._console.print(table)

    def _change_things(self) -> None:
        for device in self._devices:
            device.go_live()
        self._wait_until_quiet()
        account, contacts = self._account_with_contacts()
        self._scene("An account changes its telephone number", lambda: self._change(account))
        self._scene(
            f"The account moves from Pamela to Lynn, and its {len(contacts)} contacts with it",
            lambda: self._reassign(account, contacts),
        )
        self._scene("Stephen moves from the Northwest to the Southwest", lambda: self._move("stephen0", "Southwest"))
        self._scene(
            f"The representatives' profile: opportunities of {FEWER_DAYS} days instead of {DAYS}; published",
            self._narrow,
        )

    def _account_with_contacts(self) -> tuple[str, list[str]]:
        """Pamela's account with the most contacts."""
        rows = self._replica.rows(
            "SELECT a.accountid, c.contactid FROM account a JOIN contact c ON c.parentcustomerid = a.accountid "
            "WHERE a.ownerid = ? AND c.ownerid = a.ownerid ORDER BY (SELECT count(*) FROM contact o "
            "WHERE o.parentcustomerid = a.accountid) DESC, a.accountid",
            (self._users["pamela0"],),
        )
        account = rows[0][0]
        return account, [contact for owner, contact in rows if owner == account]

    def _change(self, account: str) -> None:
        self._organization.patch("account", _table(["accountid", "telephone1"], [[account, "555-0100"]]))

    def _reassign(self, account: str, contacts: list[str]) -> None:
        lynn, unit = self._users["lynn0"], self._units["Australia"]
        owned = ["ownerid", "ownerid_type", "owningbusinessunit"]
        rows = [[contact, lynn, "systemuser", unit] for contact in contacts]
        self._organization.patch("contact", _table(["contactid", *owned], rows))
        self._organization.patch("account", _table(["accountid", *owned], [[account, lynn, "systemuser", unit]]))

    def _move(self, user: str, unit: str) -> None:
        rows = [[self._users[user], self._units[unit]]]
        self._organization.patch("systemuser", _table(["systemuserid", "businessunitid"], rows))

    def _narrow(self) -> None:
        representatives = [self._users["pamela0"], self._users["lynn0"]]
        draft = read_profile(self._profile("sales-representative"), representatives)
        narrowed = next(item for item in draft.items if item.entity == "contact").associations[0].filter
        narrowed.fetch_xml = narrowed.fetch_xml.replace(f'value="{DAYS}"', f'value="{FEWER_DAYS}"')
        self._organization.publish(draft)
        self._days = FEWER_DAYS

    def _scene(self, title: str, change: Callable[[], None]) -> None:
        self._title(title)
        for device in self._devices:
            device.take_traffic()
        change()
        committed = time.monotonic()
        self._wait_until_quiet()
        for device in self._devices:
            traffic = device.take_traffic()
            parts = [f"{count:,} {entity}" for entity, count in traffic.written.items() if count]
            parts += [f"-{count:,} {entity}" for entity, count in traffic.removed.items() if count]
            after = f", the last {max(0.0, traffic.last_at - committed) * 1000:,.0f} ms after the commit"
            self._console.print(f"  {device.person.name:<8} {', '.join(parts) + after if parts else 'nothing'}")
        self._compare()

    def _wait_until_quiet(self) -> None:
        time.sleep(QUIET_SECONDS)
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while min(device.quiet_seconds() for device in self._devices) < QUIET_SECONDS and time.monotonic() < deadline:
            time.sleep(QUIET_SECONDS / 10)

    def _compare(self) -> None:
        for device in self._devices:
            agreement = device.compare(self._replica, self._days)
            name = device.person.name
            if agreement.differences:
                self._agreed = False
                self._console.print(
                    f"  [red]{name}: {agreement.differences:,} rows differ from SQL on the staging data"
                )
            else:
                self._console.print(f"  [green]✓[/green] {name}'s {agreement.rows:,} rows agree with SQL, row for row")


def _table(header: list[str], rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue().encode()
