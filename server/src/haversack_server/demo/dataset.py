"""The demo's data: AdventureWorks as CRM tables, with dates moved up to yesterday and roles made from real ones."""

import csv
import gzip
import io
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

DIRECTORY_TABLES = ("businessunit", "systemuser", "team", "teammembership")
BUSINESS_TABLES = (
    "transactioncurrency",
    "product",
    "account",
    "contact",
    "customeraddress",
    "lead",
    "opportunity",
    "opportunityproduct",
    "task",
)
MODELLED_ROLE = "Basic User"
# The real role says nothing of sales tables; it treats them as the tables that it names here.
SAME_RIGHTS = {"opportunity": "account", "opportunityproduct": "account", "lead": "account"}
READ_BY_ALL = ("product",)
ACCESS_RIGHTS = {"create": 1, "read": 2, "write": 3, "delete": 4, "append": 5, "appendto": 6, "assign": 7, "share": 8}
DEPTHS = {"basic": 1, "local": 2, "deep": 4, "global": 8}
DATED_COLUMNS = {"createdon", "modifiedon", "estimatedclosedate", "actualclosedate", "scheduledend"}
DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T|$)")
NAMESPACE = uuid.UUID("6f1d1d6a-52c1-5d0a-9d5e-0c1f4c3b7a10")


@dataclass(frozen=True)
class Role:
    """A security role of the demo: the modelled role, with user depth raised to `depth`."""

    name: str
    depth: str

    @property
    def id(self) -> str:
        """A UUID made from the name."""
        return str(uuid.uuid5(NAMESPACE, self.name))


REPRESENTATIVE = Role("Sales Representative", "basic")
MANAGER = Role("Territory Manager", "local")


class DataSet:
    """A folder of gzipped CSV tables, read as CSV bytes that `haversack ingest` takes."""

    def __init__(self, folder: Path, today: date) -> None:
        self._data = folder / "data"
        self._yesterday = today - timedelta(days=1)
        if not self._data.is_dir():
            raise FileNotFoundError(f"{folder} has no data folder; give the path of examples/field_service")

    def table(self, name: str) -> bytes:
        """Returns a table with every date moved by as many days as take its last `modifiedon` to yesterday."""
        text = gzip.decompress((self._data / f"{name}.csv.gz").read_bytes()).decode()
        rows = list(csv.reader(io.StringIO(text)))
        header, body = rows[0], rows[1:]
        if "modifiedon" not in header:
            return text.encode()
        modified = header.index("modifiedon")
        last = max(date.fromisoformat(row[modified][:10]) for row in body)
        shift = self._yesterday - last
        dated = [index for index, column in enumerate(header) if column in DATED_COLUMNS]
        for row in body:
            for index in dated:
                row[index] = _shifted(row[index], shift)
        return as_csv([header, *body])

    def users(self) -> dict[str, str]:
        """Logins' user names (as in "pamela0") and their ids."""
        rows = csv.DictReader(io.StringIO(gzip.decompress((self._data / "systemuser.csv.gz").read_bytes()).decode()))
        return {row["domainname"].rpartition("\\")[2]: row["systemuserid"] for row in rows}

    def business_units(self) -> dict[str, str]:
        """Names of business units and their ids."""
        rows = csv.DictReader(io.StringIO(gzip.decompress((self._data / "businessunit.csv.gz").read_bytes()).decode()))
        return {row["name"]: row["businessunitid"] for row in rows}

    def roles(self, root_unit: str) -> bytes:
        """The demo's roles, which belong to the root business unit."""
        now = datetime.combine(self._yesterday, datetime.min.time(), UTC).isoformat()
        rows = [[role.id, role.name, root_unit, now] for role in (REPRESENTATIVE, MANAGER)]
        return as_csv([["roleid", "name", "businessunitid", "modifiedon"], *rows])

    def role_privileges(self) -> bytes:
        """What the demo's roles allow: the rights of the modelled role, at the demo role's depth."""
        rows = [
            [str(uuid.uuid5(NAMESPACE, f"{role.name}/{table}/{right}")), role.id, table, right, depth]
            for role in (REPRESENTATIVE, MANAGER)
            for table, right, depth in self._rights(role)
        ]
        return as_csv([["roleprivilegeid", "roleid", "entityname", "accessright", "depth"], *rows])

    def role_assignments(self, assignments: dict[str, Role]) -> bytes:
        """Gives each user (by id) a role."""
        rows = [
            [str(uuid.uuid5(NAMESPACE, f"{user}/{role.name}")), user, role.id] for user, role in assignments.items()
        ]
        return as_csv([["systemuserroleid", "systemuserid", "roleid"], *rows])

    def _rights(self, role: Role) -> Iterator[tuple[str, int, int]]:
        with (self._data / "security_roles.csv").open(newline="") as file:
            real = [row for row in csv.DictReader(file) if row["role"] == MODELLED_ROLE]
        for row in real:
            depth = role.depth if row["depth"] == "Basic" else row["depth"].lower()
            alike = [table for table, model in SAME_RIGHTS.items() if model == row["table"]]
            for table in (row["table"], *alike):
                yield table, ACCESS_RIGHTS[row["access"].lower()], DEPTHS[depth]
        for table in READ_BY_ALL:
            yield table, ACCESS_RIGHTS["read"], DEPTHS["global"]


def _shifted(text: str, shift: timedelta) -> str:
    return DATE.sub(lambda found: (date.fromisoformat(found[0]) + shift).isoformat(), text)


def as_csv(rows: Sequence[Sequence[object]]) -> bytes:
    """Returns rows, the first of them the header, as CSV that `haversack ingest` takes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
