"""Edits of users and teams."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from typing import Any

from haversack.admin.v1 import directory_pb2

from haversack_server.directory._facts import Facts, Node, Team, User
from haversack_server.directory._work import Work, differing, required
from haversack_server.errors import DirectoryInvalid

_OWNER, _ACCESS = directory_pb2.TEAM_TYPE_OWNER, directory_pb2.TEAM_TYPE_ACCESS
_COLUMNS = {
    "domain_name": "domainname",
    "name": "fullname",
    "email": "internalemailaddress",
    "job_title": "jobtitle",
    "disabled": "isdisabled",
    "unit": "businessunitid",
    "manager": "parentsystemuserid",
    "position": "positionid",
}


def create_user(work: Work, edit: directory_pb2.CreateUser) -> User:
    """Makes a user."""
    facts = work.facts
    user = User(
        id=work.new_id(edit.id, facts.users),
        name=required(edit.full_name, "the full name of the new user"),
        domain_name=required(edit.domain_name, "the domain name of the new user"),
        email=edit.email,
        job_title=edit.job_title,
        unit=unit_or_root(facts, edit.business_unit).id,
        manager=facts.user(edit.manager).id if edit.manager else "",
        position=facts.position(edit.position).id if edit.position else "",
        time_zone=_zone(edit.time_zone),
    )
    _refuse_taken(facts, user, user.domain_name)
    facts.users[user.id] = user
    work.make("systemuser", {"systemuserid": user.id, **{it: getattr(user, name) for name, it in _COLUMNS.items()}})
    _set_zone(work, user)
    work.foresee_not("users who are new have no devices yet")
    return user


def update_user(work: Work, edit: directory_pb2.UpdateUser) -> User:
    """Changes, moves, disables or enables a user."""
    user = work.facts.user(edit.user)
    news = _news(work.facts, user, edit)
    if "domain_name" in news:
        _refuse_taken(work.facts, user, news["domain_name"])
    if news.get("manager"):
        _refuse_circle(work.facts, user, news["manager"])
    changed = {name: value for name, value in news.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    work.change("systemuser", user.id, {_COLUMNS[name]: changed[name] for name in changed if name in _COLUMNS})
    if "time_zone" in changed:
        _set_zone(work, user)
    _suppose(work, user, changed)
    return user


def create_team(work: Work, edit: directory_pb2.CreateTeam) -> Team:
    """Makes a team."""
    facts = work.facts
    if edit.type not in (directory_pb2.TEAM_TYPE_UNSPECIFIED, _OWNER, _ACCESS):
        raise DirectoryInvalid(
            "the members of such a team are told by an identity provider; make an OWNER or ACCESS team"
        )
    members = [facts.user(it).id for it in edit.members]
    team = Team(
        id=work.new_id(edit.id, facts.teams),
        name=required(edit.name, "the name of the new team"),
        unit=unit_or_root(facts, edit.business_unit).id,
        type=max(edit.type, _OWNER) - _OWNER,
        description=edit.description,
    )
    _refuse_taken_team(facts, team)
    facts.teams[team.id] = team
    row = {"name": team.name, "businessunitid": team.unit, "teamtype": team.type, "description": team.description}
    work.make("team", {"teamid": team.id, **row})
    for member in members:
        _join(work, team, member)
    return team


def update_team(work: Work, edit: directory_pb2.UpdateTeam) -> Team:
    """Changes or moves a team."""
    team = work.facts.team(edit.team)
    old = {"name": team.name, "businessunitid": team.unit, "description": team.description}
    news: dict[str, Any] = {}
    if edit.HasField("name"):
        news["name"] = team.name = required(edit.name, "the name of the team")
    if edit.HasField("business_unit"):
        news["businessunitid"] = team.unit = work.facts.unit(edit.business_unit).id
    if edit.HasField("description"):
        news["description"] = team.description = edit.description
    _refuse_taken_team(work.facts, team)
    changed = differing(news, old)
    if "businessunitid" in changed:
        work.foresee_not("what teams that change business unit hand on is not foreseen")
    work.change("team", team.id, changed)
    return team


def delete_team(work: Work, name: str) -> Team:
    """Deletes a team that owns nothing."""
    facts, team = work.facts, work.facts.team(name)
    entity = work.rows.first_that_refers("ownerid", team.id)
    if entity is not None:
        raise DirectoryInvalid(f"team {team.name} owns rows of {entity}; give them another owner first")
    for member in facts.members(team.id):
        work.suppose(member.id, team_left=team.id)
    memberships = [key for key in facts.memberships if key[0] == team.id]
    roles = [key for key in facts.team_roles if key[0] == team.id]
    work.delete("teammembership", *(row for key in memberships for row in facts.memberships.pop(key)))
    work.delete("teamroles", *(row for key in roles for row in facts.team_roles.pop(key)))
    shares = work.rows.among("principalobjectaccess", "principalid", [team.id])
    work.delete("principalobjectaccess", *(it["principalobjectaccessid"] for it in shares))
    work.delete("team", team.id)
    del facts.teams[team.id]
    return team


def add_members(work: Work, edit: directory_pb2.TeamMembers) -> Team:
    """Puts users into a team."""
    team = _own_team(work.facts, edit.team)
    for user in [work.facts.user(it).id for it in edit.users]:
        _join(work, team, user)
    return team


def remove_members(work: Work, edit: directory_pb2.TeamMembers) -> Team:
    """Takes users out of a team."""
    team = _own_team(work.facts, edit.team)
    for user in [work.facts.user(it).id for it in edit.users]:
        rows = work.facts.memberships.pop((team.id, user), [])
        work.delete("teammembership", *rows)
        if rows:
            work.suppose(user, team_left=team.id)
    return team


def unit_or_root(facts: Facts, name: str) -> Node:
    """Returns the business unit of a name; the root, if there is no name. Raises DirectoryInvalid if there is none."""
    if name:
        return facts.unit(name)
    root = facts.root()
    if root is None:
        raise DirectoryInvalid("there is no business unit above all others to be in; say which, or make the first one")
    return root


def _news(facts: Facts, user: User, edit: directory_pb2.UpdateUser) -> dict[str, Any]:
    """Returns what an edit says of a user, under the names of `User`."""
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "domain_name": ("domain_name", lambda it: required(it, f"the domain name of {user.name}")),
        "full_name": ("name", lambda it: required(it, f"the full name of {user.name}")),
        "email": ("email", str),
        "job_title": ("job_title", str),
        "business_unit": ("unit", lambda it: facts.unit(required(it, f"the business unit of {user.name}")).id),
        "manager": ("manager", lambda it: facts.user(it).id if it else ""),
        "position": ("position", lambda it: facts.position(it).id if it else ""),
        "time_zone": ("time_zone", _zone),
        "disabled": ("disabled", bool),
    }
    return {name: read(getattr(edit, given)) for given, (name, read) in readers.items() if edit.HasField(given)}


def _suppose(work: Work, user: User, changed: dict[str, Any]) -> None:
    if "unit" in changed:
        work.suppose(user.id, business_unit=user.unit)
    if "manager" in changed:
        work.suppose(user.id, manager=user.manager)
    if "disabled" in changed:
        loses = "loses every row" if user.disabled else "gets what the profile gives"
        work.foresee_not(f"{user.name} {loses}: every device of a user who is disabled is empty")
    if "position" in changed:
        work.foresee_not("what positions bring about is not foreseen")
    if "time_zone" in changed:
        work.foresee_not("windows of time that begin and end by a user's own clock are not foreseen")


def _set_zone(work: Work, user: User) -> None:
    if user.id in work.facts.with_settings:
        work.change("usersettings", user.id, {"timezonename": user.time_zone})
    elif user.time_zone:
        values = {"systemuserid": user.id, "businessunitid": user.unit, "timezonename": user.time_zone}
        work.make("usersettings", values)
        work.facts.with_settings.add(user.id)


def _zone(name: str) -> str:
    if name and name not in zoneinfo.available_timezones():
        raise DirectoryInvalid(f"{name!r} is no time zone; use a name as Europe/Vienna")
    return name


def _refuse_taken(facts: Facts, user: User, domain_name: str) -> None:
    wanted = domain_name.casefold()
    for other in facts.users.values():
        if other.id != user.id and other.domain_name.casefold() == wanted:
            raise DirectoryInvalid(
                f"{other.name} ({other.id}) has the domain name {domain_name} already; choose another"
            )


def _refuse_circle(facts: Facts, user: User, manager: str) -> None:
    seen: set[str] = set()
    while manager and manager not in seen:
        if manager == user.id:
            raise DirectoryInvalid(f"{user.name} cannot report to somebody who is, or reports to, {user.name}")
        seen.add(manager)
        manager = facts.users[manager].manager if manager in facts.users else ""


def _refuse_taken_team(facts: Facts, team: Team) -> None:
    wanted = (team.name.casefold(), team.unit)
    if any((it.name.casefold(), it.unit) == wanted and it.id != team.id for it in facts.teams.values()):
        raise DirectoryInvalid(f"the business unit has a team {team.name!r} already; choose another name")


def _own_team(facts: Facts, name: str) -> Team:
    team = facts.team(name)
    if team.is_managed_elsewhere:
        raise DirectoryInvalid(f"an identity provider tells who is in team {team.name}; change the group there")
    return team


def _join(work: Work, team: Team, user: str) -> None:
    if (team.id, user) in work.facts.memberships:
        return
    row = work.new_id("", {})
    work.facts.memberships[team.id, user] = [row]
    work.make("teammembership", {"teammembershipid": row, "teamid": team.id, "systemuserid": user})
    work.suppose(user, team_joined=team.id)
