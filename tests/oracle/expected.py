"""What a device should hold, asked in SQL: the definition of a view, spelled a second time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from haversack.model.v1 import model_pb2
from haversack_server.demo.replica import Replica, instant_text
from oracle import filters
from oracle.rights import Rights
from oracle.schema import MANY_TO_MANY, ONE_TO_MANY
from oracle.world import Association, Item


def stamp(moment: datetime) -> str:
    """An instant as the replica spells it."""
    return instant_text((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


class Oracle:
    """Answers for one user at one instant over a replica of the staging database."""

    def __init__(self, replica: Replica, user: str, now: datetime, settings: model_pb2.Settings) -> None:
        self._replica = replica
        (unit,) = replica.rows("SELECT businessunitid FROM systemuser WHERE systemuserid = ?", (user,))[0]
        zone = ZoneInfo(self._chosen_zone(user) or settings.time_zone)
        self._parameters: dict[str, object] = {
            "user": user,
            "unit": unit,
            "now": stamp(now),
            "today": now.astimezone(zone).date().isoformat(),
            "week": settings.week_start,
            "nulls": not settings.null_never_matches,
        }

        def local_day(instant: str | None) -> str | None:
            moment = instant and datetime.fromisoformat(instant).replace(tzinfo=UTC)
            return moment.astimezone(zone).date().isoformat() if moment else None

        replica.connection.create_function("fold", 1, filters.fold, deterministic=True)
        replica.connection.create_function("local_day", 1, local_day, deterministic=True)
        self._rights = Rights(replica, user, unit, settings.hierarchy_security)

    def denial(self, users: list[str], teams: list[str]) -> str:
        """Why the user gets nothing of a profile with these members; empty if nothing keeps the user from it."""
        return self._rights.denial(users, teams)

    def _chosen_zone(self, user: str) -> str | None:
        chosen = self._replica.rows("SELECT timezonename FROM usersettings WHERE systemuserid = ?", (user,))
        return chosen[0][0] if chosen else None

    def view(self, items: list[Item], limits: dict[str, filters.Filter | None]) -> dict[str, dict[int, int]]:
        """Ordinal to LSN of every row in the view, per entity."""
        for item in items:
            self._run(f"CREATE TEMP TABLE in_{item.entity} AS {self._own(item, limits)}")
        while any([self._pull(item, association, limits) for item in items for association in item.associations]):
            pass
        names = {item.entity for item in items}
        held = {
            item.entity: f"SELECT _ordinal, _lsn FROM {item.entity} WHERE _ordinal IN in_{item.entity}"
            for item in items
        }
        for link, entity1, attribute1, entity2, attribute2 in MANY_TO_MANY.values():
            if {entity1, entity2} <= names:
                held[link] = (
                    f"SELECT _ordinal, _lsn FROM {link} t WHERE {self._gate(link, limits)} "
                    f"AND {attribute1} IN (SELECT {entity1}id FROM {entity1} WHERE _ordinal IN in_{entity1}) "
                    f"AND {attribute2} IN (SELECT {entity2}id FROM {entity2} WHERE _ordinal IN in_{entity2})"
                )
        view = {entity: dict(self._replica.rows(sql, self._parameters)) for entity, sql in held.items()}
        for item in items:
            self._run(f"DROP TABLE in_{item.entity}")
        return view

    def _run(self, sql: str) -> int:
        return self._replica.connection.execute(sql, self._parameters).rowcount

    def _gate(self, entity: str, limits: dict[str, filters.Filter | None]) -> str:
        limit = limits[entity]
        return self._rights.readable(entity) + (f" AND {limit.sql}" if limit else "")

    def _own(self, item: Item, limits: dict[str, filters.Filter | None]) -> str:
        chosen = {"ALL": ["1"]}.get(item.criteria, [])
        if item.mine:
            chosen.append("t.ownerid = :user")
        if item.my_teams:
            chosen.append("t.ownerid IN (SELECT teamid FROM my_teams)")
        if item.my_unit:
            chosen.append("t.owningbusinessunit = :unit")
        if item.filter:
            chosen.append(item.filter.sql)
        own = "(" + (" OR ".join(chosen) or "0") + ")"
        return f"SELECT t._ordinal FROM {item.entity} t WHERE {own} AND {self._gate(item.entity, limits)}"

    def _pull(self, item: Item, association: Association, limits: dict[str, filters.Filter | None]) -> bool:
        pulled, joined = self._link(item.entity, association, limits)
        narrowed = f" AND {association.filter.sql}" if association.filter else ""
        return bool(
            self._run(
                f"INSERT INTO in_{pulled} SELECT DISTINCT t._ordinal FROM {pulled} t JOIN {joined} "
                f"WHERE s._ordinal IN in_{item.entity} AND t._ordinal NOT IN in_{pulled} "
                f"AND {self._gate(pulled, limits)}{narrowed}"
            )
        )

    def _link(self, entity: str, association: Association, limits: dict[str, filters.Filter | None]) -> tuple[str, str]:
        """The pulled entity, and how its rows `t` join the item's `s`; a link row that is not offered links nothing."""
        name = association.relationship
        if name in MANY_TO_MANY:
            link, entity1, attribute1, entity2, attribute2 = MANY_TO_MANY[name]
            if entity != entity1:
                entity1, attribute1, entity2, attribute2 = entity2, attribute2, entity1, attribute1
            links = f"(SELECT t.* FROM {link} t WHERE {self._gate(link, limits)})"
            joined = f"{links} l ON l.{attribute2} = t.{entity2}id JOIN {entity1} s ON s.{entity1}id = l.{attribute1}"
            return entity2, joined
        target, referencing, attribute = ONE_TO_MANY[name]
        companion = f"{attribute}_entity"
        if association.direction == "TO_MANY":
            return (
                referencing,
                f"{target} s ON t.{attribute} = s.{target}id{self._typed('t', referencing, companion, target)}",
            )
        return (
            target,
            f"{referencing} s ON s.{attribute} = t.{target}id{self._typed('s', referencing, companion, target)}",
        )

    def _typed(self, alias: str, referencing: str, companion: str, target: str) -> str:
        """Ids are unique over all entities here, so a companion only has to be present; it says which entity."""
        columns = [row[1] for row in self._replica.rows(f"PRAGMA table_info({referencing})")]
        return f" AND {alias}.{companion} = {self._replica.number(target)}" if companion in columns else ""
