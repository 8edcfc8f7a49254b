"""The demo's system of record, as its own people use it: SQL, with no idea of Haversack.

It is a database of its own on a PostgreSQL server: one that was named, or one from a wheel that the demo starts.
"""

from __future__ import annotations

import csv
import gzip
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from postgresql import PostgresqlServer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "field_service" / "data"
OPTIONS = "-c wal_level=logical -c synchronous_commit=on"
"""Changes can be followed, and at once: what is not flushed is not sent."""

_DROP_SLOTS = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s AND NOT active"

Rows = dict[str, tuple[Any, ...]]


class Crm:
    """Users, accounts and contacts.

    Attributes:
        settings: Those of a source on it.
        secrets: Likewise.
    """

    def __init__(self, url: str) -> None:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        password = parts.pop("password", None)
        self.secrets = {"password": password} if password else {}
        self.settings = {"url": make_conninfo(**parts), "slot": parts["dbname"]}
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def run(self, statements: LiteralString, *values: Any) -> None:
        """Runs SQL, all of it in one transaction."""
        self._connection.execute(statements, values or None)

    def one(self, statement: LiteralString, *values: Any) -> Any:
        """The value that a query finds; None if it finds nothing."""
        row = self._connection.execute(statement, values or None).fetchone()
        return None if row is None else row[0]

    def accounts(self, owner: str) -> Rows:
        """A user's accounts."""
        return self._rows("SELECT id, name, city, revenue FROM accounts WHERE owner_id = %s", owner)

    def contacts(self, owner: str) -> Rows:
        """The contacts of a user's accounts."""
        of_accounts = "SELECT id FROM accounts WHERE owner_id = %s"
        return self._rows(f"SELECT id, full_name, job_title FROM contacts WHERE account_id IN ({of_accounts})", owner)

    def busiest(self) -> str:
        """The user who owns most accounts."""
        owners = "SELECT owner_id FROM accounts WHERE owner_id IS NOT NULL"
        return str(self.one(f"{owners} GROUP BY owner_id ORDER BY count(*) DESC, owner_id LIMIT 1"))

    def fill(self) -> None:
        """Makes the tables, and fills them with a real company's data."""
        self._connection.execute((HERE / "schema.sql").read_bytes())
        users = {it["systemuserid"]: it for it in _table("systemuser")}
        self._copy(
            "users (id, full_name, email)",
            ((id_, it["fullname"], it["internalemailaddress"]) for id_, it in users.items()),
        )
        accounts = [
            (it["accountid"], it["name"], it["address1_city"], it["revenue"] or None, _known(it["ownerid"], users))
            for it in _table("account")
        ]
        self._copy("accounts (id, name, city, revenue, owner_id)", accounts)
        contacts = [
            (it["contactid"], it["parentcustomerid"], it["fullname"], it["jobtitle"], it["emailaddress1"])
            for it in _table("contact")
            if it["parentcustomerid_type"] == "account"
        ]
        self._copy("contacts (id, account_id, full_name, job_title, email)", contacts)

    def _copy(self, table: LiteralString, rows: Any) -> None:
        with self._connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def _rows(self, statement: LiteralString, *values: Any) -> Rows:
        return {str(row[0]): row[1:] for row in self._connection.execute(statement, values)}


@contextmanager
def running(url: str | None) -> Iterator[Crm]:
    """A filled database while the block runs: on the server of `url`, whose role may make some, or on one of ours."""
    with _server(url) as there, _database(there) as made, closing(Crm(made)) as crm:
        crm.fill()
        yield crm


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    server = PostgresqlServer(OPTIONS)
    try:
        yield server.database()
    finally:
        server.close()


@contextmanager
def _database(url: str) -> Iterator[str]:
    """Makes a database while the block runs; yields its URL."""
    name = f"haversack_demo_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            connection.execute(_DROP_SLOTS, (name,))
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _table(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _known(id_: str, users: dict[str, Any]) -> str | None:
    """A user's id; None for a team's, since this CRM has no teams."""
    return id_ if id_ in users else None
