"""Which rows a user may read, as SQL: by roles and depth, ownership, shares, and who reports to whom."""

from haversack.model.v1 import model_pb2
from haversack_server.demo.replica import Replica
from oracle.schema import DEPTHS, OWNERSHIP, PROFILE, READ
from oracle.world import ACCESS_TEAM

DEPTH_DEFAULT = 3

_OWNING = f"teamid NOT IN (SELECT teamid FROM team WHERE teamtype = {ACCESS_TEAM})"

_TABLES = {
    "my_teams": "SELECT teamid FROM teammembership WHERE systemuserid = :user",
    # What roles grant, whose unit that is seen from, and the team that it is granted to if it is not the user's own.
    "my_rights": f"""
        SELECT p.entityname, p.depth, h.unit, h.team FROM roleprivileges p JOIN (
            SELECT roleid, :unit AS unit, NULL AS team FROM systemuserroles WHERE systemuserid = :user
            UNION
            SELECT r.roleid, t.businessunitid, CASE role.isinherited WHEN 0 THEN t.teamid END
            FROM teamroles r JOIN team t USING (teamid) JOIN role USING (roleid)
            WHERE r.teamid IN (SELECT teamid FROM my_teams) AND r.{_OWNING}
        ) h ON h.roleid = p.roleid WHERE p.accessright = :read""",
    "below_me": """
        WITH RECURSIVE b(id, level) AS (
            SELECT systemuserid, 1 FROM systemuser WHERE parentsystemuserid = :user
            UNION SELECT s.systemuserid, level + 1 FROM systemuser s JOIN b ON s.parentsystemuserid = b.id
            WHERE level < :depth
        ), p(id, level) AS (
            SELECT positionid, 1 FROM position WHERE parentpositionid = :position
            UNION SELECT s.positionid, level + 1 FROM position s JOIN p ON s.parentpositionid = p.id
            WHERE level < :depth
        )
        SELECT id FROM b WHERE NOT :by_position AND id <> :user
        UNION SELECT systemuserid FROM systemuser
        WHERE :by_position AND positionid <> :position AND positionid IN (SELECT id FROM p)""",
    "my_staff": "SELECT id FROM below_me UNION SELECT :user",
    "my_staff_teams": "SELECT teamid FROM teammembership WHERE systemuserid IN (SELECT id FROM my_staff)",
    # Managers see into their own unit and those directly below it; positions reach everywhere.
    "open_to_me": """
        SELECT id FROM below_me JOIN systemuser ON systemuserid = id JOIN businessunit USING (businessunitid)
        WHERE :is_on AND (:by_position OR :unit IN (businessunitid, parentbusinessunitid))""",
    "opened_by": """
        SELECT id FROM open_to_me
        UNION SELECT teamid FROM teammembership WHERE systemuserid IN (SELECT id FROM open_to_me)""",
}


class Rights:
    """What one user may read."""

    def __init__(self, replica: Replica, user: str, unit: str, security: model_pb2.HierarchySecurity) -> None:
        ((position,),) = replica.rows("SELECT positionid FROM systemuser WHERE systemuserid = ?", (user,))
        self._replica, self._user = replica, user
        self._excluded = set(security.excluded_entities)
        self._everyone = replica.number("organization")
        parameters = {
            "user": user,
            "unit": unit,
            "read": READ,
            "position": position,
            "depth": security.depth or DEPTH_DEFAULT,
            "is_on": security.model != model_pb2.HIERARCHY_MODEL_UNSPECIFIED,
            "by_position": security.model == model_pb2.HIERARCHY_MODEL_POSITION,
        }
        for name in _TABLES:
            replica.connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
        for name, query in _TABLES.items():
            # A table is made without parameters, so that it is made empty and filled.
            columns = (
                "entityname, depth, unit, team" if name == "my_rights" else ("teamid" if "teams" in name else "id")
            )
            replica.connection.execute(f"CREATE TEMP TABLE {name}({columns})")
            replica.connection.execute(f"INSERT INTO {name} {query}", parameters)

    def denial(self, users: list[str], teams: list[str]) -> str:
        """Why the user gets nothing of a profile with these members; empty if nothing keeps the user from it."""
        mine = {team for (team,) in self._replica.rows("SELECT teamid FROM my_teams JOIN team USING (teamid)")}
        if self._user not in users and mine.isdisjoint(teams):
            return "PROFILE_MISSING"
        granted = self._replica.rows("SELECT 1 FROM my_rights WHERE entityname = ?", (PROFILE,))
        return "" if granted else "PROFILE_NOT_READABLE"

    def readable(self, entity: str) -> str:
        """The condition on a row `t` of an entity that the user may read it."""
        if OWNERSHIP[entity] == "None":
            return "1"
        granted = f"SELECT 1 FROM my_rights WHERE entityname = '{entity}'"
        clauses = [f"EXISTS ({granted} AND depth = {DEPTHS['global']})"]
        if OWNERSHIP[entity] == "UserOwned":
            clauses += self._by_ownership(entity, granted)
        if OWNERSHIP[entity] in ("UserOwned", "BusinessOwned"):
            clauses += self._by_unit(entity)
            clauses.append(f"({self._shared(entity)} AND EXISTS ({granted}))")
        return "(" + " OR ".join(clauses) + ")"

    def _by_ownership(self, entity: str, granted: str) -> list[str]:
        mine = f"(t.ownerid = :user OR t.ownerid IN (SELECT teamid FROM my_teams WHERE {_OWNING}))"
        of_teams = f"SELECT team FROM my_rights WHERE entityname = '{entity}' AND team IS NOT NULL"
        clauses = [f"({mine} AND EXISTS ({granted} AND team IS NULL))", f"t.ownerid IN ({of_teams})"]
        if entity not in self._excluded:
            owning = f"SELECT id FROM opened_by WHERE {_OWNING.replace('teamid', 'id', 1)}"
            clauses.append(f"(t.ownerid IN ({owning}) AND EXISTS ({granted}))")
        return clauses

    def _by_unit(self, entity: str) -> list[str]:
        rights = f"SELECT unit FROM my_rights WHERE entityname = '{entity}'"
        below = (
            f"WITH RECURSIVE below(unit) AS ({rights} AND depth = {DEPTHS['deep']}"
            " UNION SELECT b.businessunitid FROM businessunit b JOIN below ON b.parentbusinessunitid = below.unit"
            ") SELECT unit FROM below"
        )
        local = f"{rights} AND depth = {DEPTHS['local']}"
        return [f"t.owningbusinessunit IN ({local})", f"t.owningbusinessunit IN ({below})"]

    def _shared(self, entity: str) -> str:
        principals = "SELECT :user UNION SELECT teamid FROM my_teams"
        if entity not in self._excluded:
            principals += " UNION SELECT id FROM opened_by"
        return (
            f"t.{entity}id IN (SELECT objectid FROM principalobjectaccess"
            " WHERE (coalesce(accessrightsmask, 0) | coalesce(inheritedaccessrightsmask, 0)) & 1"
            f" AND (principalid IN ({principals}) OR principalid_entity = {self._everyone}))"
        )
