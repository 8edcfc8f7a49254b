"""A deterministic organization of any size: units, users, roles, accounts, contacts, opportunities and their lines.

Every table is a pure function of its sizes, so two runs measure the same bytes. As a program it writes the tables as
CSV files: `python benches/crm.py --help`.
"""

import csv
import io
import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import typer

CREATE, READ, WRITE = 1, 2, 3
"""The picklist values of access rights in `roleprivileges`."""

BASIC, LOCAL, GLOBAL = 1, 2, 8
"""The picklist values of depths in `roleprivileges`."""

DIRECTOR, MANAGER, SELLER = range(3)
"""Roles, which are also the first users: the director reads everything, the manager the rows of the unit, and sellers,
as all other users are, every account but otherwise their own rows."""

DEPTHS = {
    "account": (GLOBAL, LOCAL, GLOBAL),
    "contact": (GLOBAL, LOCAL, BASIC),
    "opportunity": (GLOBAL, LOCAL, BASIC),
    "opportunityproduct": (GLOBAL, LOCAL, BASIC),
    "mobileofflineprofile": (GLOBAL, GLOBAL, GLOBAL),
}
"""Depth of the read privilege of each role, by entity."""

FIRST_NAMES = ("Ana", "Bjarne", "Chidi", "Dilnoza", "Emre", "Freja", "Goran", "Hanna", "Ivo", "Jun", "Karim", "Linnea")
LAST_NAMES = ("Abel", "Bakker", "Castro", "Dumont", "Eriksen", "Fischer", "Garcia", "Horvat", "Ito", "Jensen")
TITLES = ("Buyer", "Head of Procurement", "Store Manager", "Owner", "Service Engineer", "Chief Mechanic")
CITIES = (("Aarhus", "Denmark"), ("Gent", "Belgium"), ("Leipzig", "Germany"), ("Porto", "Portugal"))
TRADES = ("Bikes", "Pumps", "Bearings", "Tools", "Lighting", "Coatings", "Valves")
NEWEST = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 1_000

Row = list[object]
Rows = Iterator[Row]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many rows each table has."""

    units: int = 5
    users: int = 50
    accounts: int = 0
    contacts: int = 0
    opportunities: int = 0
    lines: int = 0


@dataclass
class Crm:
    """The organization of these sizes. Everybody may read; directors may make and change rows of `writable` entities."""

    sizes: Sizes
    writable: Sequence[str] = ()
    _owners: random.Random = field(default_factory=lambda: random.Random("owners"))

    def id(self, table: str, index: int) -> str:
        """The id of a row."""
        digest = blake2b(f"{table}/{index}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4))

    def user(self, index: int) -> str:
        """The id of a user; the first two are `DIRECTOR` and `MANAGER`."""
        return self.id("systemuser", index)

    def tables(self) -> Iterator[tuple[str, bytes]]:
        """Entity names with their rows as CSV, in the order in which rows refer to each other."""
        makers: dict[str, Callable[[], tuple[Sequence[str], Rows]]] = {
            "businessunit": self._units,
            "systemuser": self._users,
            "role": self._roles,
            "roleprivileges": self._privileges,
            "systemuserroles": self._assignments,
            "account": self._accounts,
            "contact": self._contacts,
            "opportunity": self._opportunities,
            "opportunityproduct": self._lines,
        }
        for name, make in makers.items():
            yield name, _csv(*make())

    def _unit(self, user: int) -> str:
        return self.id("businessunit", user % self.sizes.units)

    def _units(self) -> tuple[Sequence[str], Rows]:
        root = self.id("businessunit", 0)
        rows: Rows = ([self.id("businessunit", at), f"Unit {at}", root if at else ""] for at in range(self.sizes.units))
        return ("businessunitid", "name", "parentbusinessunitid"), rows

    def _users(self) -> tuple[Sequence[str], Rows]:
        rows: Rows = ([self.user(at), f"User {at}", self._unit(at), 0] for at in range(self.sizes.users))
        return ("systemuserid", "fullname", "businessunitid", "isdisabled"), rows

    def _roles(self) -> tuple[Sequence[str], Rows]:
        names = ("Director", "Manager", "Seller")
        rows: Rows = ([self.id("role", at), name, self.id("businessunit", 0)] for at, name in enumerate(names))
        return ("roleid", "name", "businessunitid"), rows

    def _privileges(self) -> tuple[Sequence[str], Rows]:
        rows: Rows = (
            [self.id(f"roleprivileges/{entity}", role), self.id("role", role), entity, READ, depth]
            for entity, depths in DEPTHS.items()
            for role, depth in enumerate(depths)
        )
        writes: Rows = (
            [self.id(f"roleprivileges/{entity}", 10 + right), self.id("role", DIRECTOR), entity, right, GLOBAL]
            for entity in self.writable
            for right in (CREATE, WRITE)
        )
        return ("roleprivilegeid", "roleid", "entityname", "accessright", "depth"), itertools.chain(rows, writes)

    def _assignments(self) -> tuple[Sequence[str], Rows]:
        rows: Rows = (
            [self.id("systemuserroles", at), self.user(at), self.id("role", min(at, SELLER))]
            for at in range(self.sizes.users)
        )
        return ("systemuserroleid", "systemuserid", "roleid"), rows

    def _accounts(self) -> tuple[Sequence[str], Rows]:
        draw = random.Random("account")
        header = ("accountid", "name", "address1_city", "address1_country", "revenue", *OWNERSHIP, *STATE)
        return header, (
            [
                self.id("account", at),
                f"{draw.choice(LAST_NAMES)} {draw.choice(TRADES)} {at}",
                *draw.choice(CITIES),
                draw.randrange(10_000, 5_000_000),
                *self._ownership(),
                *_state(draw),
            ]
            for at in range(self.sizes.accounts)
        )

    def _contacts(self) -> tuple[Sequence[str], Rows]:
        header = ("contactid", *CONTACT, *OWNERSHIP, *STATE)
        draw = random.Random("contact")
        return header, (
            [self.id("contact", at), *self._person(at, draw), *self._ownership(), *_state(draw)]
            for at in range(self.sizes.contacts)
        )

    def _person(self, index: int, draw: random.Random) -> Row:
        first, last = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
        account = self.id("account", draw.randrange(self.sizes.accounts)) if self.sizes.accounts else ""
        return [
            f"{first} {last}",
            draw.choice(TITLES),
            f"{first}.{last}.{index}@example.org".lower(),
            f"+45 {draw.randrange(10**7, 10**8)}",
            draw.choice(CITIES)[0],
            f"{draw.randrange(10**4, 10**5)}",
            account,
            "account" if account else "",
        ]

    def _opportunities(self) -> tuple[Sequence[str], Rows]:
        draw = random.Random("opportunity")
        header = ("opportunityid", "name", "customerid", "customerid_type", "estimatedvalue", *OWNERSHIP, *STATE)
        return header, (
            [
                self.id("opportunity", at),
                f"{draw.choice(TRADES)} for a season, {draw.randrange(1_000)} pieces",
                self.id("contact", draw.randrange(max(self.sizes.contacts, 1))),
                "contact",
                f"{draw.randrange(10**6) / 100:.2f}",
                *self._ownership(),
                *_state(draw),
            ]
            for at in range(self.sizes.opportunities)
        )

    def _lines(self) -> tuple[Sequence[str], Rows]:
        draw = random.Random("opportunityproduct")
        header = ("opportunityproductid", "opportunityid", "lineitemnumber", "quantity", "priceperunit", *OWNERSHIP)
        return header, (
            [
                self.id("opportunityproduct", at),
                self.id("opportunity", draw.randrange(max(self.sizes.opportunities, 1))),
                at % 9 + 1,
                draw.randrange(1, 50),
                f"{draw.randrange(10**5) / 100:.2f}",
                *self._ownership(),
            ]
            for at in range(self.sizes.lines)
        )

    def _ownership(self) -> Row:
        owner = self._owners.randrange(self.sizes.users)
        return [self.user(owner), "systemuser", self._unit(owner)]


OWNERSHIP = ("ownerid", "ownerid_type", "owningbusinessunit")
STATE = ("statecode", "statuscode", "createdon", "modifiedon")
CONTACT = (
    "fullname",
    "jobtitle",
    "emailaddress1",
    "telephone1",
    "address1_city",
    "address1_postalcode",
    "parentcustomerid",
    "parentcustomerid_type",
)


def _state(draw: random.Random) -> Row:
    modified = NEWEST - timedelta(seconds=draw.randrange(DAYS * 86_400))
    created = modified - timedelta(seconds=draw.randrange(DAYS * 86_400))
    return [0, 1, f"{created:%Y-%m-%dT%H:%M:%SZ}", f"{modified:%Y-%m-%dT%H:%M:%SZ}"]


def _csv(header: Sequence[str], rows: Rows) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def write(
    folder: Path,
    *,
    units: Annotated[int, typer.Option()] = 5,
    users: Annotated[int, typer.Option()] = 50,
    accounts: Annotated[int, typer.Option()] = 1_000,
    contacts: Annotated[int, typer.Option()] = 10_000,
    opportunities: Annotated[int, typer.Option()] = 5_000,
    lines: Annotated[int, typer.Option()] = 20_000,
) -> None:
    """Writes every table to FOLDER as CSV."""
    sizes = Sizes(
        units=units, users=users, accounts=accounts, contacts=contacts, opportunities=opportunities, lines=lines
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in Crm(sizes).tables():
        (folder / f"{name}.csv").write_bytes(table)
        typer.echo(f"{name}: {len(table):,} bytes")


if __name__ == "__main__":
    typer.run(write)
