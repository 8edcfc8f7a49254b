"""The directory through the admin endpoint: names, devices that follow at once, dry runs, several changes at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import directory_pb2 as pb
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, sync_pb2_grpc
from server.refusals import refused
from server.running import STEP_SECONDS_MAX, Admin, RunningServer
from server.test_cli import REFUSED, Line
from server.test_profiles import publish, save
from server.test_sync import rows, until_checkpoint

CODE = grpc.StatusCode
ACCOUNTS = [str(uuid.UUID(int=number)) for number in range(1, 6)]
READ = [pb.ACCESS_RIGHT_READ]
Edit = pb.DirectoryEdit


@dataclass(frozen=True)
class Company:
    """An organization whose directory was made by edits alone; Ada and Bob follow a profile of all accounts."""

    server: RunningServer
    admin: Admin
    name: str
    channel: grpc.Channel

    def change(self, *edits: pb.DirectoryEdit, dry_run: bool = False) -> pb.ChangeDirectoryResponse:
        """Changes the directory."""
        request = pb.ChangeDirectoryRequest(organization=self.name, edits=edits, dry_run=dry_run)
        response: pb.ChangeDirectoryResponse = self.admin.call("directory", "ChangeDirectory", request)
        return response

    def ask(self, method: str, **asked: Any) -> Any:
        """Calls a method that changes nothing."""
        request = getattr(pb, f"{method}Request")(organization=self.name, **asked)
        return self.admin.call("directory", method, request)

    def id(self, user: str) -> str:
        """The id of a user."""
        found: str = self.ask("GetUser", user=user).user.id
        return found

    def sync(self, user: str, mode: sync_pb2.SyncMode = sync_pb2.SYNC_MODE_LIVE) -> Any:
        """Opens a stream as a new device of a user."""
        token = self.server.device_token(self.name, self.id(user))
        request = sync_pb2.SyncRequest(install_id=uuid.uuid4().bytes, mode=mode)
        metadata = (("authorization", f"Bearer {token}"),)
        return sync_pb2_grpc.SyncServiceStub(self.channel).Sync(request, metadata=metadata, timeout=STEP_SECONDS_MAX)


def holders(role: str, *users: str, teams: Sequence[str] = ()) -> pb.RoleHolders:
    return pb.RoleHolders(role=role, users=users, teams=teams)


def counted(events: list[sync_pb2.SyncEvent]) -> int:
    """How many rows a device has at the last checkpoint of these events."""
    return sum(it.count for it in events[-1].checkpoint.digests)


@pytest.fixture
def company(server: RunningServer, admin: Admin) -> Iterator[Company]:
    name = admin.organization()
    with grpc.insecure_channel(server.settings.sync_listen) as channel:
        made = Company(server, admin, name, channel)
        granted = [pb.RolePrivilege(entity="account", right=READ[0], depth=pb.PRIVILEGE_DEPTH_ORGANIZATION)]
        own = [
            pb.RolePrivilege(entity="account", right=READ[0], depth=pb.PRIVILEGE_DEPTH_USER),
            pb.RolePrivilege(entity="mobileofflineprofile", right=READ[0], depth=pb.PRIVILEGE_DEPTH_ORGANIZATION),
        ]
        made.change(
            Edit(create_business_unit=pb.CreateTreeNode(name="Company")),
            Edit(create_user=pb.CreateUser(domain_name="ada", full_name="Ada Lovelace", email="ada@example.com")),
            Edit(create_user=pb.CreateUser(domain_name="bob", full_name="Bob")),
            Edit(create_team=pb.CreateTeam(name="Field")),
            Edit(create_role=pb.CreateRole(name="Owner", privileges=own)),
            Edit(create_role=pb.CreateRole(name="Reader", privileges=granted)),
            Edit(assign_role=holders("Owner", "ada", "bob")),
            Edit(assign_role=holders("Reader", teams=["Field"])),
        )
        bob = made.id("bob")
        lines = "".join(f"{it},{bob},systemuser\n" for it in ACCOUNTS)
        report = admin.ingest(name, "account", f"accountid,ownerid,ownerid_type\n{lines}".encode())
        assert report.inserted == len(ACCOUNTS), report.errors
        admin.enable(name, "account")
        draft = model_pb2.Profile(name="field", users=[made.id("ada"), bob])
        draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
        save(admin, name, draft)
        publish(admin, name)
        yield made


def test_what_was_made_is_shown(company: Company) -> None:
    company.change(Edit(add_members=pb.TeamMembers(team="field", users=["ADA@example.com"])))
    shown = company.ask("GetUser", user="Ada Lovelace")
    assert (shown.user.domain_name, shown.user.business_unit.name, shown.profile) == ("ada", "Company", "field")
    assert [it.name for it in shown.teams] == ["Field"]
    assert [(it.role.name, it.team.name) for it in shown.roles] == [("Owner", ""), ("Reader", "Field")]
    role = company.ask("GetRole", role="reader")
    assert [(it.entity, it.right, it.depth) for it in role.privileges] == [("account", READ[0], 8)]
    assert [it.name for it in role.teams] == ["Field"]
    team = company.ask("GetTeam", team="Field")
    assert ([it.name for it in team.members], [it.name for it in team.roles]) == (["Ada Lovelace"], ["Reader"])
    listed = company.ask("ListUsers", users_max=1, offset=1)
    assert ([it.full_name for it in listed.users], listed.user_count) == (["Bob"], 2)
    assert [it.full_name for it in company.ask("ListUsers", search="LOVE").users] == ["Ada Lovelace"]
    assert [(it.name, it.user_count) for it in company.ask("ListBusinessUnits").business_units] == [("Company", 2)]


def test_each_change_reaches_a_live_device_at_once(company: Company) -> None:
    stream = company.sync("ada")
    assert counted(until_checkpoint(stream)) == 0
    share = pb.ShareRow(entity="account", row=ACCOUNTS[0], user="ada", rights=READ)
    steps = [
        (Edit(share_row=share), 1),
        (Edit(add_members=pb.TeamMembers(team="Field", users=["ada"])), len(ACCOUNTS)),
        (Edit(revoke_role=holders("Reader", teams=["Field"])), 1),
        (Edit(assign_role=holders("Reader", "ada")), len(ACCOUNTS)),
        (Edit(set_role_privileges=pb.SetRolePrivileges(role="Reader", replace=True)), 1),
        (Edit(share_row=pb.ShareRow(entity="account", row=ACCOUNTS[0], user="ada")), 0),
    ]
    for edit, count in steps:
        company.change(edit)
        assert counted(until_checkpoint(stream)) == count, edit
    company.change(Edit(update_user=pb.UpdateUser(user="ada", disabled=True)))
    with refused(CODE.PERMISSION_DENIED, "USER_DISABLED"):
        list(stream)


def test_a_dry_run_tells_what_devices_gain_and_changes_nothing(company: Company) -> None:
    edits = (
        Edit(assign_role=holders("Reader", "ada")),
        Edit(revoke_role=holders("Owner", "bob")),
        Edit(update_user=pb.UpdateUser(user="bob", position="")),
    )
    told = company.change(*edits, dry_run=True)
    assert (told.lsn, told.row_count, list(told.unforeseen)) == (0, 2, [])
    gained = {it.user: (it.gained.rows, it.lost.rows) for it in told.effect.users}
    assert gained == {company.id("ada"): (len(ACCOUNTS), 0), company.id("bob"): (0, len(ACCOUNTS))}
    assert counted(until_checkpoint(company.sync("ada", sync_pb2.SYNC_MODE_ONCE))) == 0
    assert company.change(*edits).row_count == 2
    assert rows(until_checkpoint(company.sync("ada", sync_pb2.SYNC_MODE_ONCE))) == len(ACCOUNTS)
    with refused(CODE.PERMISSION_DENIED, "PROFILE_NOT_READABLE"):
        list(company.sync("bob", sync_pb2.SYNC_MODE_ONCE))


def test_a_dry_run_says_what_it_cannot_tell(company: Company) -> None:
    newcomer = pb.CreateUser(domain_name="eve", full_name="Eve")
    told = company.change(
        Edit(create_user=newcomer),
        Edit(assign_role=holders("Reader", "eve")),
        Edit(update_user=pb.UpdateUser(user="bob", disabled=True)),
        dry_run=True,
    )
    assert not told.HasField("effect")
    assert [it.name for it in told.rows] == ["Eve", "Reader", "Bob"]
    assert ["users who are new" in it or "Bob loses every row" in it for it in told.unforeseen] == [True, True]
    with refused(CODE.NOT_FOUND, "DIRECTORY_ROW_UNKNOWN", "'eve'"):
        company.ask("GetUser", user="eve")


def test_changes_at_once_and_ingests_between_lose_nothing(company: Company) -> None:
    users = [f"user{number}" for number in range(8)]

    def add(name: str) -> None:
        company.change(
            Edit(create_user=pb.CreateUser(domain_name=name, full_name=name)),
            Edit(add_members=pb.TeamMembers(team="Field", users=[name])),
        )

    def ingest(number: int) -> None:
        line = f"positionid,name\n{uuid.UUID(int=number)},Ingested {number}\n"
        company.admin.ingest(company.name, "position", line.encode())

    with ThreadPoolExecutor(4) as threads:
        for done in [
            *map(lambda it: threads.submit(add, it), users),
            *(threads.submit(ingest, it) for it in range(1, 9)),
        ]:
            done.result()
    members = [it.name for it in company.ask("GetTeam", team="Field").members]
    assert members == users
    assert len(company.ask("ListPositions").positions) == 8


def test_requests_are_checked(company: Company) -> None:
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "send 1 to 1,000"):
        company.change()
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "set one of its fields"):
        company.change(Edit())
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "say one of row, user and team"):
        company.ask("ListShares", user="ada", team="Field")
    with refused(
        CODE.INVALID_ARGUMENT, "DIRECTORY_INVALID", "the full name of Ada Lovelace is missing", "no time zone"
    ):
        company.change(
            Edit(update_user=pb.UpdateUser(user="ada", full_name=" ")),
            Edit(update_user=pb.UpdateUser(user="bob", time_zone="Mars")),
        )
    bare = company.admin.organization(standard=False)
    with refused(CODE.NOT_FOUND, "ENTITY_UNKNOWN", "entity import --standard"):
        company.admin.call("directory", "ListTeams", pb.ListTeamsRequest(organization=bare))


def test_the_command_line_does_all_of_it(server: RunningServer, company: Company) -> None:
    line, org = Line(server.settings.data), ("--org", company.name)
    made = line.json("unit", "add", "West", "--below", "Company", *org)
    assert made["row_count"] == 1
    line.run("position", "add", "Chief", *org)
    line.run("position", "add", "Seller", "--below", "Chief", *org)
    line.run("role", "add", "Writer", "--team-only", *org)
    line.run("role", "grant", "Writer", "account", "read,append-to", "--depth", "below", *org)
    line.run("team", "add", "Guests", "--access", "--unit", "West", "--member", "bob", *org)
    added = (
        "user",
        "add",
        "eve",
        "Eve",
        "--unit",
        "West",
        "--position",
        "Seller",
        "--role",
        "Writer",
        "--team",
        "Field",
    )
    line.run(*added, "--title", "Clerk", "--manager", "ada", *org)
    shown = line.json("user", "show", "eve", *org)
    assert shown["user"]["manager"]["name"] == "Ada Lovelace"
    assert [it["role"]["name"] for it in shown["roles"]] == ["Writer", "Reader"]
    assert "Writer, Reader (by Field)" in line.run("user", "show", "eve", *org).stdout
    line.run("user", "set", "eve", "--unit", "Company", "--manager", "", "--time-zone", "Europe/Vienna", *org)
    line.run("user", "disable", "eve", *org)
    assert "disabled" in line.run("user", "list", "--search", "eve", *org).stdout
    line.run("user", "enable", "eve", *org)
    assert "read: below, append-to: below" in line.run("role", "show", "Writer", *org).stdout
    line.run("role", "set", "Writer", "--direct", "--name", "Author", *org)
    dry = line.run("role", "assign", "Reader", "--user", "ada", "--dry-run", *org).stdout
    assert "5 rows" in dry
    assert "1 rows of the directory would be written" in dry
    line.run("share", "add", "account", ACCOUNTS[0], "read,write", "--team", "Guests", *org)
    assert "read, write" in line.run("share", "list", "--team", "Guests", *org).stdout
    line.run("share", "remove", "account", ACCOUNTS[0], "--team", "Guests", *org)
    assert line.json("share", "list", "--row", ACCOUNTS[0], *org)["shares"] == []
    line.run("team", "leave", "Guests", "bob", *org)
    line.run("team", "join", "Guests", "ada", "bob", *org)
    assert "Ada Lovelace" in line.run("team", "show", "Guests", *org).stdout
    line.run("team", "set", "Guests", "--unit", "Company", *org)
    line.run("team", "delete", "Guests", *org)
    line.run("unit", "set", "West", "--name", "East", *org)
    assert "  East" in line.run("unit", "list", *org).stdout
    line.run("unit", "delete", "East", *org)
    line.run("user", "set", "eve", "--position", "", *org)
    line.run("position", "set", "Seller", "--below", "", *org)
    line.run("position", "delete", "Seller", *org)
    assert [it["name"] for it in line.json("position", "list", *org)] == ["Chief"]
    line.run("role", "revoke", "Author", "--user", "eve", *org)
    line.run("role", "delete", "Author", *org)
    assert [it["name"] for it in line.json("role", "list", *org)["roles"]] == ["Owner", "Reader"]
    assert [it["name"] for it in line.json("team", "list", *org)["teams"]] == ["Field"]
    refusal = line.run("user", "set", "nobody", "--title", "x", *org, expect=REFUSED)
    assert "there is no user 'nobody'; `haversack user list` names them" in refusal.stderr
