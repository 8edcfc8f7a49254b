"""Edits of roles, of what they grant, of who has them, and of shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from haversack.admin.v1 import directory_pb2
from haversack.model.v1 import model_pb2

from haversack_server.directory._facts import Grants, Role, Team, User, canonical
from haversack_server.directory._people import unit_or_root
from haversack_server.directory._rows import RowChange
from haversack_server.directory._work import Work, differing, required
from haversack_server.errors import DirectoryInvalid, DirectoryRowUnknown, EntityUnknown

RIGHT_BITS: dict[int, int] = {
    directory_pb2.ACCESS_RIGHT_READ: 0x1,
    directory_pb2.ACCESS_RIGHT_WRITE: 0x2,
    directory_pb2.ACCESS_RIGHT_APPEND: 0x4,
    directory_pb2.ACCESS_RIGHT_APPEND_TO: 0x10,
    directory_pb2.ACCESS_RIGHT_CREATE: 0x20,
    directory_pb2.ACCESS_RIGHT_DELETE: 0x1_0000,
    directory_pb2.ACCESS_RIGHT_SHARE: 0x4_0000,
    directory_pb2.ACCESS_RIGHT_ASSIGN: 0x8_0000,
}
"""The bits of Dataverse's AccessRights, as in `principalobjectaccess.accessrightsmask`."""

_TEAM_ONLY = directory_pb2.ROLE_INHERITANCE_TEAM_ONLY
_UNSAID = directory_pb2.ROLE_INHERITANCE_UNSPECIFIED
_DEPTHS = set(directory_pb2.PrivilegeDepth.values())


def create_role(work: Work, edit: directory_pb2.CreateRole) -> Role:
    """Makes a role."""
    facts = work.facts
    role = Role(
        id=work.new_id(edit.id, facts.roles),
        name=required(edit.name, "the name of the new role"),
        unit=unit_or_root(facts, edit.business_unit).id,
        inheritance=0 if edit.inheritance == _TEAM_ONLY else 1,
    )
    _refuse_taken(work, role)
    facts.roles[role.id] = role
    row = {"roleid": role.id, "name": role.name, "businessunitid": role.unit, "isinherited": role.inheritance}
    work.make("role", row)
    _grant(work, role, edit.privileges)
    return role


def update_role(work: Work, edit: directory_pb2.UpdateRole) -> Role:
    """Changes a role."""
    role = work.facts.role(edit.role)
    old: dict[str, object] = {"name": role.name, "isinherited": role.inheritance}
    news: dict[str, object] = {}
    if edit.HasField("name"):
        news["name"] = role.name = required(edit.name, "the name of the role")
        _refuse_taken(work, role)
    if edit.inheritance != _UNSAID:
        news["isinherited"] = role.inheritance = 0 if edit.inheritance == _TEAM_ONLY else 1
    changed = differing(news, old)
    if "isinherited" in changed:
        work.foresee_not("what members of teams get by another inheritance of a role is not foreseen")
    work.change("role", role.id, changed)
    return role


def set_privileges(work: Work, edit: directory_pb2.SetRolePrivileges) -> Role:
    """Sets what a role grants."""
    role = work.facts.role(edit.role)
    if edit.replace:
        named = {(it.entity, it.right) for it in edit.privileges}
        for key in [it for it in work.facts.privileges if it[0] == role.id and it[1:] not in named]:
            work.delete("roleprivileges", *work.facts.privileges.pop(key).rows)
    _grant(work, role, edit.privileges)
    work.foresee_not("what roles that grant something else bring about is not foreseen")
    return role


def delete_role(work: Work, name: str) -> Role:
    """Deletes a role that nobody has."""
    facts, role = work.facts, work.facts.role(name)
    users = sum(held == role.id for user, held in facts.user_roles if user in facts.users)
    teams = sum(held == role.id for team, held in facts.team_roles if team in facts.teams)
    if users or teams:
        raise DirectoryInvalid(f"{users} users and {teams} teams have role {role.name}; take it from them first")
    for key in [it for it in facts.privileges if it[0] == role.id]:
        work.delete("roleprivileges", *facts.privileges.pop(key).rows)
    work.delete("role", role.id)
    del facts.roles[role.id]
    return role


def assign_role(work: Work, edit: directory_pb2.RoleHolders) -> Role:
    """Gives a role to users and teams."""
    role, users, teams = _holders(work, edit)
    for user in users:
        if (user.id, role.id) not in work.facts.user_roles:
            row = work.new_id("", {})
            work.facts.user_roles[user.id, role.id] = [row]
            work.make("systemuserroles", {"systemuserroleid": row, "systemuserid": user.id, "roleid": role.id})
            work.suppose(user.id, role_given=role.id)
    for team in teams:
        if not team.can_have_roles:
            raise DirectoryInvalid(
                f"{team.name} is an access team, which can have no roles; share rows with it instead"
            )
        if (team.id, role.id) not in work.facts.team_roles:
            row = work.new_id("", {})
            work.facts.team_roles[team.id, role.id] = [row]
            work.make("teamroles", {"teamroleid": row, "teamid": team.id, "roleid": role.id})
            work.foresee_not("what roles bring about that teams are given is not foreseen")
    return role


def revoke_role(work: Work, edit: directory_pb2.RoleHolders) -> Role:
    """Takes a role from users and teams."""
    role, users, teams = _holders(work, edit)
    for user in users:
        rows = work.facts.user_roles.pop((user.id, role.id), [])
        work.delete("systemuserroles", *rows)
        if rows:
            work.suppose(user.id, role_taken=role.id)
    for team in teams:
        rows = work.facts.team_roles.pop((team.id, role.id), [])
        work.delete("teamroles", *rows)
        if rows:
            work.foresee_not("what roles bring about that are taken from teams is not foreseen")
    return role


def share_row(work: Work, edit: directory_pb2.ShareRow) -> User | Team:
    """Shares a row with a user or team, or ends that."""
    if bool(edit.user) == bool(edit.team):
        raise DirectoryInvalid("say with which user or with which team the row is shared, one of the two")
    principal = work.facts.user(edit.user) if edit.user else work.facts.team(edit.team)
    row, mask = canonical(edit.row), mask_of(edit.rights)
    _refuse_unshareable(work, edit.entity, row, ending=not mask)
    ids = _shared(work, principal.id, row)
    work.delete("principalobjectaccess", *ids[1 if mask else 0 :])
    if mask:
        share: dict[str, Any] = {"principalid": principal.id, "principalid_type": "systemuser" if edit.user else "team"}
        share |= {"objectid": row, "objectid_type": edit.entity, "accessrightsmask": mask}
        ids = ids[:1] or [work.new_id("", {})]
        work.changes.append(RowChange("principalobjectaccess", "upsert", {"principalobjectaccessid": ids[0], **share}))
    work.shares[principal.id, row] = ids if mask else []
    work.foresee_not("what shares bring about is not foreseen")
    return principal


def mask_of(rights: Iterable[int]) -> int:
    """Returns the mask of some rights; raises DirectoryInvalid for one that there is not."""
    mask = 0
    for right in rights:
        if right not in RIGHT_BITS:
            raise DirectoryInvalid("a right is none of those that there are; say CREATE, READ, WRITE and so on")
        mask |= RIGHT_BITS[right]
    return mask


def rights_of(mask: int) -> list[directory_pb2.AccessRight]:
    """Returns the rights of a mask."""
    return [cast("directory_pb2.AccessRight", right) for right in sorted(RIGHT_BITS) if mask & RIGHT_BITS[right]]


def _shared(work: Work, principal: str, row: str) -> list[str]:
    """Returns the ids of the rows that share a row with somebody, after the edits before."""
    if (principal, row) not in work.shares:
        found = work.rows.among("principalobjectaccess", "principalid", [principal])
        work.shares[principal, row] = [it["principalobjectaccessid"] for it in found if it.get("objectid") == row]
    return work.shares[principal, row]


def _refuse_unshareable(work: Work, entity: str, row: str, *, ending: bool) -> None:
    """Refuses to share what cannot be shared, and a row that there is not; sharing that can always be ended."""
    stored = work.rows.metadata.entities.get(entity)
    if stored is None:
        raise EntityUnknown(f"there is no entity {entity!r}; `haversack entity list` names those that there are")
    if ending:
        return
    if stored.metadata.ownership != model_pb2.OWNERSHIP_USER:
        raise DirectoryInvalid(f"rows of {entity} belong to no user or team, so they cannot be shared")
    if not work.rows.exists(entity, row):
        raise DirectoryRowUnknown(f"{entity} has no row {row}, so there is nothing to share")


def _holders(work: Work, edit: directory_pb2.RoleHolders) -> tuple[Role, list[User], list[Team]]:
    facts = work.facts
    return facts.role(edit.role), [facts.user(it) for it in edit.users], [facts.team(it) for it in edit.teams]


def _grant(work: Work, role: Role, privileges: Iterable[directory_pb2.RolePrivilege]) -> None:
    for it in privileges:
        _refuse_meaningless(work, it)
        key = (role.id, it.entity, int(it.right))
        old = work.facts.privileges.pop(key, Grants(0, []))
        if it.depth and old.depth == it.depth and len(old.rows) == 1:
            work.facts.privileges[key] = old
            continue
        work.delete("roleprivileges", *old.rows[1 if it.depth else 0 :])
        if it.depth:
            row = old.rows[0] if old.rows else work.new_id("", {})
            work.facts.privileges[key] = Grants(it.depth, [row])
            values = {"roleprivilegeid": row, "roleid": role.id, "entityname": it.entity}
            work.make("roleprivileges", {**values, "accessright": int(it.right), "depth": int(it.depth)})


def _refuse_meaningless(work: Work, privilege: directory_pb2.RolePrivilege) -> None:
    stored = work.rows.metadata.entities.get(privilege.entity)
    if stored is None:
        raise EntityUnknown(f"there is no entity {privilege.entity!r} to grant something on")
    if privilege.right not in RIGHT_BITS or privilege.depth not in _DEPTHS:
        raise DirectoryInvalid(f"a privilege on {privilege.entity} has a right or depth that there is not")
    belongs_to_all = stored.metadata.ownership == model_pb2.OWNERSHIP_ORGANIZATION
    if belongs_to_all and privilege.depth not in (
        directory_pb2.PRIVILEGE_DEPTH_UNSPECIFIED,
        directory_pb2.PRIVILEGE_DEPTH_ORGANIZATION,
    ):
        raise DirectoryInvalid(
            f"rows of {privilege.entity} belong to the organization, so a privilege on them reaches all or none: "
            "give it the depth ORGANIZATION"
        )


def _refuse_taken(work: Work, role: Role) -> None:
    wanted = (role.name.casefold(), role.unit)
    if any((it.name.casefold(), it.unit) == wanted and it.id != role.id for it in work.facts.roles.values()):
        raise DirectoryInvalid(f"the business unit has a role {role.name!r} already; choose another name")
