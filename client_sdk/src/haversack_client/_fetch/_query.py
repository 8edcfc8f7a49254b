"""A `<fetch>`: which columns of which rows, in which order, and which page of them.

Beside filters it may join entities (`link-entity` with `inner` or `outer`, nested), and it names columns as Dataverse
does: those of a joined entity `alias.attribute`, unless an `<attribute>` has an alias of its own.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from haversack_client import _tables as sql
from haversack_client._connections import DATABASE_ERRORS, Connection
from haversack_client._errors import StoreError
from haversack_client._fetch._caller import Caller
from haversack_client._fetch._conditions import Scope, Statement
from haversack_client._fetch._document import Element, parse
from haversack_client._fetch._errors import excerpt, invalid, malformed, too_large, unsupported
from haversack_client._fetch._filters import LINK_HINTS, Filters
from haversack_client._fetch._fiscal import give_calendar
from haversack_client._fetch._operands import Family, family
from haversack_client._fetch._text import give_functions
from haversack_client._fetch._windows import Clock
from haversack_client._model import CarriedModel
from haversack_client._reader import read_facts
from haversack_client._rows import SqlValue

ROWS_OF_A_PAGE_MAX = 5_000
JOINS_MAX = 15
"""Joined entities of a query."""
RESULT_COLUMNS_MAX = 2_000
ORDERS_MAX = 64
MEMBERSHIPS = "teammembership"
"""Entity of the directory that says who is in which team."""

FETCH_ATTRIBUTES = ("top", "count", "page", "distinct", "aggregate")
FETCH_HINTS = (
    "version",
    "output-format",
    "mapping",
    "no-lock",
    "latematerialize",
    "options",
    "returntotalrecordcount",
    "useraworderby",
    "utc-offset",
    "min-active-row-version",
    "datasource",
)

REFUSED_BY_SQLITE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE)
"""What SQLite says of a statement beyond one of its own limits. Other errors are the file's."""


class Fetch:
    """Answers queries over one connection."""

    def __init__(self, connection: Connection, caller: Caller | None = None) -> None:
        """Of a device's database.

        Args:
            connection: Where rows are read.
            caller: Who asks; None: the device's user.
        """
        self._connection = connection
        self._given = caller
        self._caller = caller or Caller()

    def rows(self, fetch_xml: str) -> list[Any]:
        """The rows that a `<fetch>` asks for.

        Raises FetchError if it cannot be read or answered, StoreError if the database cannot be read.
        """
        root = parse(fetch_xml)
        if root.name != "fetch":
            raise malformed(f"{root.place}: write a <fetch>")
        with _database_errors():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN")
            serialized = read_facts(self._connection).model
            if not serialized:
                raise unsupported("nothing is on this device yet; sync first")
            model = CarriedModel.parse(serialized)
            self._caller = self._given or Caller.of(model.user)
            give_functions(self._connection, self._caller.collation)
            give_calendar(self._connection, self._caller.fiscal, self._caller.time_zone)
            compiled, parameters = self.compile(model, root)
            return self._connection.execute(compiled, parameters).fetchall()

    def compile(self, model: CarriedModel, root: Element) -> tuple[str, list[SqlValue]]:
        """A `<fetch>` as SQL, and its parameters. Raises FetchError."""
        clock = Clock.at(self._caller.now_us, self._caller.time_zone)
        select = Statement(model, self._caller, partial(self._teams, model), clock)
        return _Query(Filters(select), root).compile()

    def _teams(self, model: CarriedModel) -> tuple[str, ...]:
        """The caller's teams: those that were given, or those that the local directory knows."""
        if self._caller.team_ids is not None:
            return self._caller.team_ids
        table = model.table(MEMBERSHIPS)
        if self._caller.user_id is None or table is None or not {"teamid", "systemuserid"} <= table.attributes.keys():
            raise unsupported(
                f"the device does not know the caller's teams; give Caller(team_ids=...), or carry {MEMBERSHIPS}"
            )
        members = f"SELECT teamid FROM {MEMBERSHIPS} WHERE systemuserid = ?"
        return tuple(team for (team,) in self._connection.execute(members, (self._caller.user_id.lower(),)) if team)


@contextmanager
def _database_errors() -> Iterator[None]:
    """Names what the database raises: a statement beyond its limits, or a file that it cannot read."""
    try:
        yield
    except DATABASE_ERRORS as error:
        if getattr(error, "sqlite_errorcode", None) in REFUSED_BY_SQLITE:
            raise too_large(f"SQLite cannot answer the query ({error}); ask for less at once") from error
        raise StoreError(f"the device's database cannot be read: {error}; is its file still there?") from error
    except UnicodeEncodeError as error:
        raise invalid("an id of the caller has half a character in it; give ids as they are in rows") from error


@dataclass(slots=True)
class _Query:
    """One query, compiled part by part. Parameters are collected in the order in which the parts stand in SQL."""

    filters: Filters
    root: Element
    _distinct: bool = False
    _columns: dict[str, str] = field(default_factory=dict)
    _orders: list[tuple[Scope, Element]] = field(default_factory=list)
    _joins: list[str] = field(default_factory=list)

    def compile(self) -> tuple[str, list[SqlValue]]:
        self.root.only(FETCH_ATTRIBUTES, FETCH_HINTS)
        if _truth(self.root, "aggregate"):
            raise unsupported(f"{self.root.place}: aggregates are not answered on devices; ask SQL with Device.query")
        entities = [child for child in self.root.children if child.name == "entity"]
        strangers = [child for child in self.root.children if child.name not in ("entity", "order")]
        if len(entities) != 1 or strangers:
            raise malformed(f"{(strangers or [self.root])[0].place}: a <fetch> has one <entity>")
        entity = entities[0]
        entity.only(("name",), ("enableprefiltering", "prefilterparametername"))
        scope = Scope(self.filters.table(entity), self.filters.next_alias())
        self._check_children(entity)
        self._distinct = _truth(self.root, "distinct")
        # With an id that nobody asked for, no two rows would be the same.
        self._select(scope, entity, "", always=() if self._distinct else (scope.table.primary_id,))
        self._join_all(scope, entity)
        where = self.filters.every(scope, [child for child in entity.children if child.name == "filter"])
        return self._assemble(scope, where), self.filters.statement.parameters

    def _assemble(self, scope: Scope, where: list[str]) -> str:
        if len(self._columns) > RESULT_COLUMNS_MAX:
            raise too_large(f"{self.root.place}: it asks for more than {RESULT_COLUMNS_MAX} columns; name fewer")
        if len(self._orders) > ORDERS_MAX:
            raise too_large(f"{self.root.place}: it has more than {ORDERS_MAX} orders; write fewer")
        if not self._columns:
            raise malformed(f"{self.root.place}: it asks for no column; write an <attribute>")
        selected = ", ".join(f"{column} AS {sql.quoted(name)}" for name, column in self._columns.items())
        parts = [
            f"SELECT {'DISTINCT ' if self._distinct else ''}{selected}",
            f"FROM {sql.quoted(scope.table.name)} AS {scope.alias}",
            *self._joins,
        ]
        if where:
            parts.append(f"WHERE {' AND '.join(where)}")
        # An order may name an entity that is joined further down: all of them are known only now.
        orders = [self._order(scope, element) for scope, element in self._orders]
        # Without an order of its own a page must still not overlap with the next.
        last = [] if self._distinct else [f"{scope.alias}._ordinal"]
        if orders or last:
            parts.append(f"ORDER BY {', '.join([*orders, *last])}")
        return " ".join([*parts, *self._page()])

    def _page(self) -> list[str]:
        top, count, page = (_whole(self.root, name) for name in ("top", "count", "page"))
        if top is not None:
            if count is not None or page is not None:
                raise malformed(f"{self.root.place}: write top, or page and count, not both")
            return [f"LIMIT {top}"]
        if count is None and page is None:
            return []
        size = count or ROWS_OF_A_PAGE_MAX
        return [f"LIMIT {size} OFFSET {size * ((page or 1) - 1)}"]

    def _select(self, scope: Scope, element: Element, prefix: str, always: Sequence[str] = ()) -> None:
        """Adds the columns that an entity gives, and notes its orders. Of the first entity all, if none is named."""
        named = [child for child in element.children if child.name == "attribute"]
        bare = any(child.name == "no-attrs" for child in element.children)
        whole = any(child.name == "all-attributes" for child in element.children)
        if whole or not (named or bare or prefix):
            self._columns |= {f"{prefix}{each.name}": self._shown(scope, each.name) for each in scope.table.columns}
            named = []
        self._columns |= {name: self._shown(scope, name) for name in always}
        for child in named:
            child.only(("name", "alias"), ("addedby", "build", "distinct"))
            attribute = scope.attribute(child.required("name"), child.place)
            alias = child.attributes.get("alias") or f"{prefix}{attribute.name}"
            self._column(alias, self._shown(scope, attribute.name), child)
            if attribute.companion:
                self._column(f"{alias}_entity", self._shown(scope, attribute.companion), child)
        self._orders += [(scope, child) for child in element.children if child.name == "order"]

    def _shown(self, scope: Scope, name: str) -> str:
        """A column as it is given; of texts that compare alike a distinct query gives one."""
        attribute = scope.table.attributes.get(name)
        is_merged = self._distinct and attribute is not None and family(attribute) is Family.TEXT
        return scope.column(name) + (" COLLATE haversack_text" if is_merged else "")

    def _column(self, name: str, column: str, element: Element) -> None:
        if self._columns.setdefault(name, column) != column:
            raise malformed(f'{element.place}: two columns are named "{excerpt(name)}"; give one another alias')

    def _order(self, scope: Scope, element: Element) -> str:
        element.only(("attribute", "descending", "entityname"))
        ordered = self.filters.scope_of(scope, element)
        attribute = ordered.attribute(element.required("attribute"), element.place)
        column = ordered.column(attribute)
        match family(attribute):
            case Family.TEXT:
                column = f"haversack_fold({column})"
            case Family.DECIMAL:
                column = f"{column} COLLATE haversack_decimal"
        return f"{column} DESC" if _truth(element, "descending") else column

    def _join_all(self, scope: Scope, element: Element) -> None:
        for child in element.children:
            if child.name == "link-entity":
                self._join(scope, child)

    def _join(self, scope: Scope, element: Element) -> None:
        """A joined entity, and those that are joined to it."""
        self.filters.count(element)
        if len(self._joins) == JOINS_MAX:
            raise too_large(f"{element.place}: there are more than {JOINS_MAX} joined entities; write fewer")
        element.only(("name", "from", "to", "link-type", "alias"), LINK_HINTS)
        kind = element.attributes.get("link-type", "inner")
        if kind not in ("inner", "outer"):
            raise unsupported(
                f'{element.place}: link-type "{excerpt(kind)}" outside of a filter; write "inner" or "outer", or'
                " move it into a <filter>"
            )
        self._check_children(element)
        linked = Scope(self.filters.table(element), self.filters.next_alias())
        alias = element.attributes.get("alias") or linked.alias
        if alias in self.filters.aliases:
            raise malformed(f'{element.place}: the alias "{excerpt(alias)}" is taken; choose another one')
        self.filters.aliases[alias] = linked
        on = [self.filters.join(scope, linked, element)]
        on += self.filters.every(linked, [child for child in element.children if child.name == "filter"])
        self._joins.append(
            f"{'LEFT' if kind == 'outer' else 'INNER'} JOIN {sql.quoted(linked.table.name)} AS {linked.alias}"
            f" ON {' AND '.join(on)}"
        )
        self._select(linked, element, f"{alias}.")
        self._join_all(linked, element)

    def _check_children(self, element: Element) -> None:
        known = ("attribute", "all-attributes", "no-attrs", "order", "filter", "link-entity")
        for child in element.children:
            if child.name not in known:
                raise malformed(f"{child.place}: <filter>, <attribute>, <order> or <link-entity> belongs here")


def _truth(element: Element, name: str) -> bool:
    value = element.attributes.get(name, "false").lower()
    if value not in ("0", "1", "true", "false"):
        raise invalid(f'{element.place}: {name} is "{excerpt(value)}"; write true or false')
    return value in ("1", "true")


def _whole(element: Element, name: str) -> int | None:
    value = element.attributes.get(name)
    if value is None:
        return None
    limit = 1_000_000 if name == "page" else ROWS_OF_A_PAGE_MAX
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= limit:
        raise invalid(f'{element.place}: {name} is "{excerpt(value)}"; write a number from 1 to {limit}')
    return int(value)
