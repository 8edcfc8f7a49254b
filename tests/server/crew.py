"""An organization with a crew in the field, for tests that look at what reaches devices."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from haversack.admin.v1 import apps_pb2, entities_pb2, profiles_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Device
from server.running import Admin, RunningServer

READ, GLOBAL = 2, 8


def uuid(kind: int, number: int) -> str:
    """An id that is easy to read."""
    return f"{kind:08d}-0000-4000-8000-{number:012d}"


ADA, BOB, CAL = (uuid(1, number) for number in (1, 2, 3))
NORTH, SOUTH = (uuid(2, number) for number in (1, 2))
UNIT, ROLE = uuid(3, 1), uuid(4, 1)
ACCOUNTS = [uuid(5, number) for number in range(1, 6)]
CONTACTS = [uuid(6, number) for number in range(1, 4)]


def csv(header: str, *rows: tuple[object, ...]) -> bytes:
    """A table as CSV."""
    return "\n".join([header, *(",".join(str(it) for it in row) for row in rows), ""]).encode()


def item(entity: str, **more: Any) -> model_pb2.ProfileItem:
    """An item that takes every row of an entity."""
    return model_pb2.ProfileItem(entity=entity, criteria=model_pb2.RECORD_CRITERIA_ALL, **more)


def custom(entity: str, fetch_xml: str) -> model_pb2.ProfileItem:
    """An item that takes what a filter matches."""
    made = model_pb2.ProfileItem(entity=entity, criteria=model_pb2.RECORD_CRITERIA_CUSTOM)
    made.filter.fetch_xml = fetch_xml
    return made


@dataclass(frozen=True)
class Crew:
    """Ada, Bob and Cal, who may read all accounts and contacts; Ada and Bob are in team North, Bob and Cal in South."""

    server: RunningServer
    admin: Admin
    name: str

    @classmethod
    def made(cls, server: RunningServer, admin: Admin) -> Crew:
        """Makes the organization; nothing is published yet."""
        crew = cls(server, admin, admin.organization())
        crew.ingest("businessunit", csv("businessunitid,name", (UNIT, "All")))
        crew.ingest("role", csv("roleid,name,businessunitid", (ROLE, "Reader", UNIT)))
        users = (ADA, BOB, CAL)
        crew.ingest("systemuser", csv("systemuserid,businessunitid,isdisabled", *((it, UNIT, 0) for it in users)))
        crew.ingest("systemuserroles", csv("systemuserroleid,systemuserid,roleid", *((it, it, ROLE) for it in users)))
        readable = enumerate(("account", "contact", "mobileofflineprofile"), 1)
        grants = [(uuid(7, number), ROLE, entity, READ, GLOBAL) for number, entity in readable]
        crew.ingest("roleprivileges", csv("roleprivilegeid,roleid,entityname,accessright,depth", *grants))
        crew.ingest("team", csv("teamid,name,businessunitid", (NORTH, "North", UNIT), (SOUTH, "South", UNIT)))
        memberships = [(NORTH, ADA), (NORTH, BOB), (SOUTH, BOB), (SOUTH, CAL)]
        numbered = [(uuid(8, number), *it) for number, it in enumerate(memberships, 1)]
        crew.ingest("teammembership", csv("teammembershipid,teamid,systemuserid", *numbered))
        crew.ingest("account", csv("accountid,name", *((it, f"Account {it[-1]}") for it in ACCOUNTS)))
        crew.ingest("contact", csv("contactid,lastname", *((it, f"Contact {it[-1]}") for it in CONTACTS)))
        admin.enable(crew.name, "account", "contact")
        return crew

    def ingest(self, entity: str, table: bytes) -> None:
        report = self.admin.ingest(self.name, entity, table)
        assert not report.rejected, report.errors

    def profiles(self, method: str, **fields: Any) -> Any:
        """Calls a method of ProfileService."""
        request = getattr(profiles_pb2, f"{method}Request")(organization=self.name, **fields)
        return self.admin.call("profiles", method, request)

    def entities(self, method: str, **fields: Any) -> Any:
        """Calls a method of EntityService."""
        request = getattr(entities_pb2, f"{method}Request")(organization=self.name, **fields)
        return self.admin.call("entities", method, request)

    def apps(self, method: str, **fields: Any) -> Any:
        """Calls a method of AppService."""
        request = getattr(apps_pb2, f"{method}Request")(organization=self.name, **fields)
        return self.admin.call("apps", method, request)

    def save(self, name: str, *items: model_pb2.ProfileItem, move: bool = False, **more: Any) -> Any:
        """Saves a draft."""
        draft = model_pb2.Profile(name=name, items=items, **more)
        return self.profiles("SaveProfile", profile=draft, move=move)

    def publish(self, name: str, *items: model_pb2.ProfileItem, **more: Any) -> Any:
        """Saves a draft and publishes it."""
        self.save(name, *items, **more)
        return self.profiles("PublishProfile", name=name)

    def draft(self, name: str) -> model_pb2.Profile:
        """A profile's draft."""
        found: model_pb2.Profile = self.profiles("GetProfile", name=name).profile
        return found

    def summary(self, name: str) -> profiles_pb2.ProfileSummary:
        """A profile's summary."""
        found: profiles_pb2.ProfileSummary = self.profiles("GetProfile", name=name).summary
        return found

    def held(self, user: str, *, app: str = "", device: Path | None = None) -> dict[str, int]:
        """How many rows of each entity a user's device has after a sync; a new device if none is given."""
        with tempfile.TemporaryDirectory() as folder:
            path = device or Path(folder) / "device.db"
            token = self.server.device_token(self.name, user)
            with Device.open(path, f"http://{self.server.settings.sync_listen}", token, app=app) as opened:
                opened.sync()
                tables = {
                    it for (it,) in opened.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
                }
                counted = {
                    it: next(iter(opened.query(f"SELECT count(*) FROM {it}")))[0]
                    for it in ("account", "contact")
                    if it in tables
                }
        return {entity: count for entity, count in counted.items() if count}


CODE = grpc.StatusCode
