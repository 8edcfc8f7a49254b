"""Edits of the directory on rows in a staging database: what is judged is written, and nothing breaks the rules."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from haversack.admin.v1 import directory_pb2 as pb
from haversack.model.v1 import model_pb2
from haversack_server._core import Staging
from haversack_server.catalog.entities import StoredEntity
from haversack_server.directory import Facts, Rows
from haversack_server.directory._changes import _judged
from haversack_server.directory._facts import above
from haversack_server.errors import DirectoryInvalid, DirectoryRowUnknown, EntityUnknown, HaversackError
from haversack_server.metadata import merge_entity, read_document, standard_documents
from haversack_server.publishing import Metadata

STEPS = 12
ACCOUNT = "0a6f12bc-0000-4000-8000-000000000001"
Edit = pb.DirectoryEdit


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    """The shipped metadata."""
    stored = {}
    for number, (name, content) in enumerate(standard_documents(), 1):
        merged = merge_entity(read_document(name, content).entity, None, number=number)
        stored[name] = StoredEntity(merged.entity, merged.last_number)
    return Metadata("acme", model_pb2.Settings(), stored, {})


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    made = Staging.create(str(tmp_path / "staging.sqlite3"))
    yield made
    made.close()


Make = Callable[..., list[str]]


@pytest.fixture
def make(staging: Staging, metadata: Metadata) -> Make:
    """Makes edits, all or none; returns the ids of the rows that they were about."""

    def making(*edits: pb.DirectoryEdit) -> list[str]:
        work, rows = _judged(Rows(staging, metadata), edits)
        assert work.rows.write(work.changes)
        assert facts_of(staging, metadata) == work.facts
        return [id_ for id_, _ in rows]

    return making


@pytest.fixture
def company(make: Make, staging: Staging, metadata: Metadata) -> Make:
    """A small company: a tree of units, people, teams, a role, a row of an account."""
    line = f'{{"accountid": "{ACCOUNT}", "name": "Contoso"}}\n'.encode()
    staging.write_together(metadata.model_bytes, [("account", "upsert", line)], seen=0, basis=[])
    make(
        Edit(create_business_unit=pb.CreateTreeNode(name="Company")),
        Edit(create_business_unit=pb.CreateTreeNode(name="Sales", parent="Company")),
        Edit(create_business_unit=pb.CreateTreeNode(name="West", parent="Sales")),
        Edit(create_position=pb.CreateTreeNode(name="Chief")),
        Edit(create_position=pb.CreateTreeNode(name="Seller", parent="Chief")),
        Edit(create_user=pb.CreateUser(domain_name="acme\\ada", full_name="Ada", email="ada@example.com")),
        Edit(create_user=pb.CreateUser(domain_name="acme\\bob", full_name="Bob", manager="Ada", business_unit="West")),
        Edit(
            create_user=pb.CreateUser(domain_name="acme\\bob2", full_name="Bob", manager="acme\\bob", position="Seller")
        ),
        Edit(create_team=pb.CreateTeam(name="Field", business_unit="Sales", members=["ada", "acme\\bob"][1:])),
        Edit(create_team=pb.CreateTeam(name="Guests", type=pb.TEAM_TYPE_ACCESS)),
        Edit(create_role=pb.CreateRole(name="Reader", privileges=[privilege("account"), privilege("contact", 2)])),
        Edit(assign_role=pb.RoleHolders(role="Reader", users=["Ada"], teams=["Field"])),
    )
    return make


def privilege(entity: str, depth: int = pb.PRIVILEGE_DEPTH_ORGANIZATION) -> pb.RolePrivilege:
    return pb.RolePrivilege(entity=entity, right=pb.ACCESS_RIGHT_READ, depth=pb.PrivilegeDepth.Name(depth))


def facts_of(staging: Staging, metadata: Metadata) -> Facts:
    return Facts.read(Rows(staging, metadata))


def test_what_is_made_is_there_and_can_be_undone(company: Make, staging: Staging, metadata: Metadata) -> None:
    facts = facts_of(staging, metadata)
    assert [it.name for it in facts.teams_of(facts.user("acme\\bob").id)] == ["Field"]
    assert facts.user("ACME\\BOB2").manager == facts.user("acme\\bob").id
    head = staging.head()
    again = Edit(assign_role=pb.RoleHolders(role="reader", users=["ada@example.com"], teams=["Field"]))
    company(
        again,
        Edit(add_members=pb.TeamMembers(team="Field", users=["acme\\bob"])),
        Edit(update_team=pb.UpdateTeam(team="field", name="Field", business_unit="sales")),
        Edit(update_business_unit=pb.UpdateTreeNode(node="West", name="West", parent="Sales")),
        Edit(update_role=pb.UpdateRole(role="Reader", name="Reader", inheritance=pb.ROLE_INHERITANCE_DIRECT)),
        Edit(update_user=pb.UpdateUser(user="Ada", disabled=False, email="ada@example.com")),
    )
    assert staging.head() == head, "what is so already draws no LSN"
    company(
        Edit(update_user=pb.UpdateUser(user="acme\\bob2", manager="", position="", time_zone="Europe/Vienna")),
        Edit(update_user=pb.UpdateUser(user="Ada", disabled=True)),
        Edit(revoke_role=pb.RoleHolders(role="Reader", users=["Ada"], teams=["Field"])),
        Edit(delete_role="Reader"),
        Edit(delete_team="Field"),
        Edit(delete_position="Seller"),
        Edit(update_user=pb.UpdateUser(user="acme\\bob", business_unit="Sales")),
        Edit(delete_business_unit="West"),
    )
    facts = facts_of(staging, metadata)
    assert (facts.roles, facts.memberships, facts.user_roles, facts.privileges) == ({}, {}, {}, {})
    assert facts.user("Ada").disabled
    assert facts.user("acme\\bob2").time_zone == "Europe/Vienna"


def test_an_edit_leaves_alone_what_it_does_not_name(company: Make, staging: Staging, metadata: Metadata) -> None:
    ada = facts_of(staging, metadata).user("Ada")
    line = f'{{"systemuserid": "{ada.id}", "nickname": "Countess", "homephone": "1"}}'.encode()
    staging.write_together(metadata.model_bytes, [("systemuser", "patch", line)], seen=0, basis=[])
    company(Edit(update_user=pb.UpdateUser(user="Ada", job_title="Analyst")))
    attributes = ["fullname", "homephone", "jobtitle", "nickname"]
    _, _, found = staging.rows(
        metadata.model_bytes,
        "systemuser",
        attributes=attributes,
        attribute="systemuserid",
        values=[ada.id],
        rows_max=1,
    )
    told = {"fullname": "Ada", "homephone": "1", "jobtitle": "Analyst", "nickname": "Countess"}
    assert json.loads(found) == {"systemuserid": ada.id, **told}


def test_shares_are_made_changed_and_ended(company: Make, staging: Staging, metadata: Metadata) -> None:
    def shared() -> list[tuple[str, int]]:
        found = Rows(staging, metadata).among("principalobjectaccess", "objectid", [ACCOUNT])
        return sorted((it["principalid_type"], it["accessrightsmask"]) for it in found)

    with_team = pb.ShareRow(entity="account", row=ACCOUNT, team="Guests", rights=[pb.ACCESS_RIGHT_READ])
    with_user = pb.ShareRow(entity="account", row=ACCOUNT.upper(), user="Ada", rights=[pb.ACCESS_RIGHT_WRITE])
    company(Edit(share_row=with_team), Edit(share_row=with_user))
    assert shared() == [("systemuser", 2), ("team", 1)]
    with_user.rights.append(pb.ACCESS_RIGHT_READ)
    company(Edit(share_row=with_user), Edit(delete_team="Guests"))
    assert shared() == [("systemuser", 3)]
    company(Edit(share_row=pb.ShareRow(entity="account", row=ACCOUNT, user="Ada")))
    assert shared() == []


def user(**news: object) -> pb.DirectoryEdit:
    return Edit(update_user=pb.UpdateUser(user="Ada", **news))  # type: ignore[arg-type]


def unit(name: str, parent: str) -> pb.DirectoryEdit:
    return Edit(update_business_unit=pb.UpdateTreeNode(node=name, parent=parent))


def grants(*privileges: pb.RolePrivilege) -> pb.DirectoryEdit:
    return Edit(set_role_privileges=pb.SetRolePrivileges(role="Reader", privileges=privileges))


REFUSALS: list[tuple[pb.DirectoryEdit, type[HaversackError], str]] = [
    (user(business_unit="North"), DirectoryRowUnknown, "there is no business unit 'North'"),
    (user(business_unit=""), DirectoryInvalid, "the business unit of Ada is missing"),
    (user(domain_name=" "), DirectoryInvalid, "the domain name of Ada is missing"),
    (user(domain_name="ACME\\Bob"), DirectoryInvalid, "has the domain name ACME\\Bob already"),
    (user(manager="acme\\bob2"), DirectoryInvalid, "Ada cannot report to somebody who is, or reports to, Ada"),
    (user(manager="Ada"), DirectoryInvalid, "Ada cannot report to"),
    (user(manager="Bob"), DirectoryInvalid, "'Bob' fits 2 rows"),
    (user(time_zone="Vienna"), DirectoryInvalid, "use a name as Europe/Vienna"),
    (Edit(create_user=pb.CreateUser(full_name="Eve")), DirectoryInvalid, "the domain name of the new user is missing"),
    (Edit(create_user=pb.CreateUser(id="7", full_name="E", domain_name="e")), DirectoryInvalid, "give a UUID, or none"),
    (unit("Company", "West"), DirectoryInvalid, "Company cannot be below West"),
    (unit("Sales", "Sales"), DirectoryInvalid, "Sales cannot be below Sales"),
    (unit("Sales", ""), DirectoryInvalid, "say below which Sales is"),
    (Edit(create_business_unit=pb.CreateTreeNode(name="Two")), DirectoryInvalid, "only the first business unit"),
    (Edit(create_business_unit=pb.CreateTreeNode(name="west", parent="Sales")), DirectoryInvalid, "'west' already"),
    (Edit(delete_business_unit="Sales"), DirectoryInvalid, "1 business units below it, 1 teams; move them first"),
    (
        Edit(update_position=pb.UpdateTreeNode(node="Chief", parent="Seller")),
        DirectoryInvalid,
        "cannot be below Seller",
    ),
    (Edit(delete_position="Chief"), DirectoryInvalid, "1 positions below it"),
    (Edit(create_team=pb.CreateTeam(name="field", business_unit="Sales")), DirectoryInvalid, "a team 'field' already"),
    (Edit(create_team=pb.CreateTeam(name="x", type=pb.TEAM_TYPE_OFFICE_GROUP)), DirectoryInvalid, "identity provider"),
    (Edit(assign_role=pb.RoleHolders(role="Reader", teams=["Guests"])), DirectoryInvalid, "Guests is an access team"),
    (Edit(delete_role="Reader"), DirectoryInvalid, "1 users and 1 teams have role Reader"),
    (Edit(create_role=pb.CreateRole(name="READER")), DirectoryInvalid, "a role 'READER' already"),
    (grants(privilege("acount")), EntityUnknown, "'acount'"),
    (grants(privilege("territory", pb.PRIVILEGE_DEPTH_USER)), DirectoryInvalid, "give it the depth ORGANIZATION"),
    (grants(pb.RolePrivilege(entity="account")), DirectoryInvalid, "a right or depth that there is not"),
    (Edit(share_row=pb.ShareRow(entity="account", row=ACCOUNT)), DirectoryInvalid, "one of the two"),
    (
        Edit(share_row=pb.ShareRow(entity="account", row="1", user="Ada", rights=[pb.ACCESS_RIGHT_READ])),
        DirectoryRowUnknown,
        "account has no row 1",
    ),
    (
        Edit(share_row=pb.ShareRow(entity="territory", row="1", user="Ada", rights=[pb.ACCESS_RIGHT_READ])),
        DirectoryInvalid,
        "cannot be shared",
    ),
]


@pytest.mark.parametrize(("edit", "kind", "why"), REFUSALS, ids=[why for *_, why in REFUSALS])
def test_what_breaks_a_rule_is_refused(company: Make, edit: pb.DirectoryEdit, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind) as refusal:
        company(edit)
    assert why in str(refusal.value)


def test_every_breach_is_told_at_once_and_nothing_is_written(company: Make, staging: Staging) -> None:
    head = staging.head()
    edits = [edit for edit, *_ in REFUSALS[:8]]
    with pytest.raises(DirectoryInvalid) as refusal:
        company(user(job_title="Analyst"), *edits)
    for _, _, why in REFUSALS[:8]:
        assert why in str(refusal.value)
    assert staging.head() == head


def test_a_team_that_owns_rows_and_a_unit_that_has_them_stay(
    company: Make, staging: Staging, metadata: Metadata
) -> None:
    facts = facts_of(staging, metadata)
    company(Edit(create_business_unit=pb.CreateTreeNode(name="East", parent="Sales")))
    team, east = facts.team("Field").id, facts_of(staging, metadata).unit("East").id
    line = f'{{"accountid": "{ACCOUNT}", "ownerid": "{team}", "ownerid_type": "team", "owningbusinessunit": "{east}"}}'
    staging.write_together(metadata.model_bytes, [("account", "patch", line.encode())], seen=0, basis=[])
    with pytest.raises(DirectoryInvalid, match="owns rows of account"):
        company(Edit(delete_team="Field"))
    with pytest.raises(DirectoryInvalid, match="rows of account"):
        company(Edit(delete_business_unit="East"))


def test_what_was_read_must_still_be_so(company: Make, staging: Staging, metadata: Metadata) -> None:
    work, _ = _judged(Rows(staging, metadata), [Edit(delete_position="Seller"), user(position="Chief")][1:])
    account = f'{{"accountid": "{ACCOUNT}", "name": "Fabrikam"}}'.encode()
    staging.write_together(metadata.model_bytes, [("account", "patch", account)], seen=0, basis=[])
    stale, _ = _judged(Rows(staging, metadata), [user(job_title="Analyst")])
    assert work.rows.write(work.changes), "an account is no part of the directory"
    assert not stale.rows.write(stale.changes)
    assert facts_of(staging, metadata).user("Ada").job_title == ""


def test_whatever_is_edited_the_rules_hold(company: Make, staging: Staging, metadata: Metadata, seed: int) -> None:
    """`company` compares the judged facts with those that are read back, after every step."""
    chance = random.Random(seed)
    for _ in range(STEPS):
        facts = facts_of(staging, metadata)
        before = replace(facts)
        try:
            company(*(drawn(chance, facts) for _ in range(chance.randint(1, 2))))
        except (DirectoryInvalid, DirectoryRowUnknown):
            assert facts_of(staging, metadata) == before
        facts = facts_of(staging, metadata)
        assert facts.root() is not None
        for nodes in (facts.units, facts.positions):
            for node in nodes.values():
                assert not node.parent or node.parent in nodes
                ends = [*above(nodes, node.id)] or [node.id]
                assert not nodes[ends[-1]].parent, "a way up ends at a root"
        used = {it.unit for it in facts.users.values()} | {it.unit for it in facts.teams.values()}
        assert used | {it.unit for it in facts.roles.values()} <= set(facts.units)
        assert {it.position for it in facts.users.values()} <= {"", *facts.positions}
        assert all(facts.teams[team].can_have_roles for team, _ in facts.team_roles)


def drawn(chance: random.Random, facts: Facts) -> pb.DirectoryEdit:
    """An edit that may keep the rules or break them."""

    def one(table: dict[str, object]) -> str:
        return chance.choice([*table, "nobody"]) if chance.random() < 0.95 else ""

    users, teams, units = [one(facts.users)], [one(facts.teams)], one(facts.units)  # type: ignore[arg-type]
    positions, roles = one(facts.positions), one(facts.roles)  # type: ignore[arg-type]
    fresh = f"n{chance.randrange(10_000)}"
    node = pb.CreateTreeNode(name=fresh, parent=units)
    depth = pb.PrivilegeDepth.Name(chance.choice([0, 1, 2, 4, 8]))
    granted = [pb.RolePrivilege(entity=chance.choice(["account", "lead"]), right=pb.ACCESS_RIGHT_READ, depth=depth)]
    return chance.choice(
        [
            Edit(create_user=pb.CreateUser(domain_name=fresh, full_name=fresh, business_unit=units, manager=users[0])),
            Edit(update_user=pb.UpdateUser(user=users[0], manager=one(facts.users), position=positions)),  # type: ignore[arg-type]
            Edit(update_user=pb.UpdateUser(user=users[0], business_unit=units, disabled=chance.random() < 0.5)),
            Edit(
                create_team=pb.CreateTeam(name=fresh, business_unit=units, type=pb.TeamType.Name(chance.randint(0, 2)))
            ),
            Edit(delete_team=teams[0]),
            Edit(add_members=pb.TeamMembers(team=teams[0], users=users)),
            Edit(remove_members=pb.TeamMembers(team=teams[0], users=users)),
            Edit(create_business_unit=node),
            Edit(update_business_unit=pb.UpdateTreeNode(node=units, parent=one(facts.units))),  # type: ignore[arg-type]
            Edit(delete_business_unit=units),
            Edit(create_position=pb.CreateTreeNode(name=fresh, parent=positions)),
            Edit(update_position=pb.UpdateTreeNode(node=positions, parent=one(facts.positions))),  # type: ignore[arg-type]
            Edit(delete_position=positions),
            Edit(create_role=pb.CreateRole(name=fresh, business_unit=units, privileges=granted)),
            Edit(
                set_role_privileges=pb.SetRolePrivileges(role=roles, privileges=granted, replace=chance.random() < 0.5)
            ),
            Edit(delete_role=roles),
            Edit(assign_role=pb.RoleHolders(role=roles, users=users, teams=teams[: chance.randint(0, 1)])),
            Edit(revoke_role=pb.RoleHolders(role=roles, users=users, teams=teams[: chance.randint(0, 1)])),
        ]
    )
