"""Random filters on who asks, on other rows, and on places in a hierarchy; and filters of everything together."""

import random
import re
from collections.abc import Callable

from oracle.dates import on_dates
from oracle.filters import PLAIN_LEAVES, Filter, condition, unless_null
from oracle.schema import HIERARCHIES, KIN, OWNERSHIP, meetings

FILTER_DEPTH_MAX = 3
LINK_DEPTH_MAX = 2

_TEAMS = "SELECT teamid FROM my_teams"
_STAFF = "SELECT id FROM my_staff"
_STAFF_TEAMS = "SELECT teamid FROM my_staff_teams"


class Filters:
    """Draws filters on the rows of an organization; `ids` tells the ids that rows of a hierarchy have ever had."""

    def __init__(self, draw: random.Random, ids: Callable[[str], list[str]]) -> None:
        self._draw = draw
        self._ids = ids
        self._aliases = 0

    def leaf(self, entity: str, *, for_all: bool = False) -> Filter:
        """One condition or link; with `for_all` one that does not depend on who asks, but for the zone."""
        kind = self._draw.random()
        if kind < 0.15 and not for_all and OWNERSHIP[entity] != "None":
            if found := self._on_caller(entity):
                return found
        if kind < 0.3 and entity in KIN:
            return self._in_hierarchy(entity)
        if kind < 0.55:
            return on_dates(self._draw)
        return self._draw.choice(PLAIN_LEAVES)(self._draw)

    def group(self, entity: str, *, depth: int = 1, links: int = LINK_DEPTH_MAX, size_max: int = 3) -> Filter:
        """A `<filter>` of conditions, links and, down to the limit, further filters."""
        join = self._draw.choice(["and", "or"])
        parts = []
        for _ in range(self._draw.randint(1, size_max)):
            kind = self._draw.random()
            if depth < FILTER_DEPTH_MAX and kind < 0.2:
                parts.append(self.group(entity, depth=depth + 1, links=links))
            elif links and kind < 0.4:
                parts.append(self.link(entity, links=links - 1))
            else:
                parts.append(self.leaf(entity))
        xml = f'<filter type="{join}">' + "".join(part.fetch_xml for part in parts) + "</filter>"
        return Filter(xml, "(" + f" {join.upper()} ".join(part.sql for part in parts) + ")")

    def link(self, entity: str, *, links: int) -> Filter:
        """Rows to which others are linked, or are not: any row counts, whoever may read it."""
        to, linked, attribute = self._draw.choice(meetings(entity))
        self._aliases += 1
        alias = f"l{self._aliases}"
        inner = self._inner(linked, links)
        kind, exists = self._draw.choice([("any", "EXISTS"), ("not any", "NOT EXISTS")])
        xml = (
            f'<link-entity name="{linked}" from="{attribute}" to="{to}" link-type="{kind}">'
            f"{inner.fetch_xml}</link-entity>"
        )
        narrowed = re.sub(r"\bt\.", f"{alias}.", inner.sql)
        return Filter(
            xml, f"{exists} (SELECT 1 FROM {linked} {alias} WHERE {alias}.{attribute} = t.{to} AND {narrowed})"
        )

    def _inner(self, linked: str, links: int) -> Filter:
        if linked == "teammembership":
            mine = condition("systemuserid", "eq-userid", None, "t.systemuserid = :user")
            return Filter(f"<filter>{mine.fetch_xml}</filter>", mine.sql)
        if self._draw.random() < 0.2:
            return Filter("", "1")
        return self.group(linked, depth=2, links=links, size_max=2)

    def _on_caller(self, entity: str) -> Filter | None:
        tests = []
        if OWNERSHIP[entity] == "UserOwned":
            tests = [
                condition("ownerid", "eq-userid", None, "t.ownerid = :user"),
                condition("ownerid", "ne-userid", None, unless_null("t.ownerid", "t.ownerid <> :user")),
                condition("ownerid", "eq-userteams", None, f"t.ownerid IN ({_TEAMS})"),
                condition("ownerid", "eq-useroruserteams", None, f"(t.ownerid = :user OR t.ownerid IN ({_TEAMS}))"),
                condition("ownerid", "eq-useroruserhierarchy", None, f"t.ownerid IN ({_STAFF})"),
                condition(
                    "ownerid",
                    "eq-useroruserhierarchyandteams",
                    None,
                    f"(t.ownerid IN ({_STAFF}) OR t.ownerid IN ({_STAFF_TEAMS}))",
                ),
            ]
        if OWNERSHIP[entity] in ("UserOwned", "BusinessOwned"):
            unit = "owningbusinessunit"
            tests += [
                condition(unit, "eq-businessid", None, f"t.{unit} = :unit"),
                condition(unit, "ne-businessid", None, unless_null(f"t.{unit}", f"t.{unit} <> :unit")),
            ]
        return self._draw.choice(tests) if tests else None

    def _in_hierarchy(self, entity: str) -> Filter:
        """Rows whose id, or the one in a lookup, is above or below another."""
        attribute, hierarchy = self._draw.choice(KIN[entity])
        ids = self._ids(hierarchy)
        row, key, parent = self._draw.choice(ids), f"{hierarchy}id", HIERARCHIES[hierarchy]
        below = (
            f"(WITH RECURSIVE k(id) AS (SELECT {key} FROM {hierarchy} WHERE {parent} = '{row}'"
            f" UNION SELECT s.{key} FROM {hierarchy} s JOIN k ON s.{parent} = k.id) SELECT id FROM k)"
        )
        above = (
            f"(WITH RECURSIVE k(id) AS (SELECT {parent} FROM {hierarchy} WHERE {key} = '{row}' AND {parent} IS NOT NULL"
            f" UNION SELECT s.{parent} FROM {hierarchy} s JOIN k ON s.{key} = k.id WHERE s.{parent} IS NOT NULL)"
            " SELECT id FROM k)"
        )
        column = f"t.{attribute}"
        other, same = f"{column} <> '{row}'", f"{column} = '{row}'"
        operators = {
            "above": f"({other} AND {column} IN {above})",
            "eq-or-above": f"({same} OR {column} IN {above})",
            "under": f"({other} AND {column} IN {below})",
            "eq-or-under": f"({same} OR {column} IN {below})",
            "not-under": unless_null(column, f"({other} AND {column} NOT IN {below})"),
        }
        operator = self._draw.choice(list(operators))
        return condition(attribute, operator, row, operators[operator])
