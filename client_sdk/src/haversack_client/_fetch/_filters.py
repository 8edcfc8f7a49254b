"""Filters and links as SQL."""

from dataclasses import dataclass, field

from haversack_client import _tables as sql
from haversack_client._errors import FetchError
from haversack_client._fetch._conditions import Scope, Statement, comparable, compile_condition
from haversack_client._fetch._document import Element
from haversack_client._fetch._errors import excerpt, invalid, malformed, too_large, unsupported
from haversack_client._fetch._operands import Family, family
from haversack_client._model import Attribute, Table

FILTER_LEVELS_MAX = 3
LINK_LEVELS_MAX = 4
CONDITIONS_MAX = 500
"""Conditions and links together."""

FILTER_HINTS = (
    "hint",
    "isquickfindfields",
    "overridequickfindrecordlimitenabled",
    "overridequickfindrecordlimitdisabled",
)
LINK_HINTS = ("intersect", "visible", "enableprefiltering", "prefilterparametername")
IGNORED_WITHIN = ("attribute", "all-attributes", "no-attrs", "order")
"""What a link within a filter may contain without effect."""


@dataclass(slots=True)
class Filters:
    """Compiles the filters of one query, and counts what is in them."""

    statement: Statement
    aliases: dict[str, Scope] = field(default_factory=dict)
    """Joined tables, by the names that `entityname` knows them by."""
    _conditions: int = 0
    _links: int = 0
    _names: int = 0

    def table(self, element: Element) -> Table:
        """The table that an element names. Raises FetchError if the device does not carry it."""
        name = element.required("name")
        found = self.statement.model.table(name)
        if found is None:
            raise FetchError("ENTITY_UNKNOWN", f'{element.place}: there is no entity "{excerpt(name)}" on this device')
        return found

    def next_alias(self) -> str:
        """A name for a table that no other one of the statement has."""
        self._names += 1
        return f"t{self._names}"

    def count(self, element: Element) -> None:
        """One condition or link more."""
        self._conditions += 1
        if self._conditions > CONDITIONS_MAX:
            raise too_large(f"{element.place}: there are more than {CONDITIONS_MAX} conditions and links; write fewer")

    def every(self, scope: Scope, children: list[Element]) -> list[str]:
        """Filters and links side by side, which must all match; empty ones are left out."""
        found = [self._child(scope, child, 1) for child in children if child.name in ("filter", "link-entity")]
        return [each for each in found if each is not None]

    def join(self, scope: Scope, linked: Scope, element: Element) -> str:
        """What a link's two attributes must be: equal, and not NULL."""
        from_name, to_name = element.required("from"), element.required("to")
        left = linked.attribute(from_name, element.place)
        right = scope.attribute(to_name, element.place)
        kind = _linking(linked.table, left)
        if kind is None or kind is not _linking(scope.table, right):
            raise invalid(
                f"{element.place}: a link needs two ids, or two numbers, texts, choices or dates of one type, which"
                f' from="{left.name}" and to="{right.name}" are not'
            )
        return f"{comparable(linked.column(left), family(left))} = {comparable(scope.column(right), family(right))}"

    def scope_of(self, scope: Scope, element: Element) -> Scope:
        """The table that a condition or an order is about: the one where it stands, or a joined one by `entityname`."""
        name = element.attributes.get("entityname")
        if name is None:
            return scope
        found = self.aliases.get(name)
        if found is None:
            known = ", ".join(sorted(map(excerpt, self.aliases))) or "there is none"
            raise unsupported(
                f'{element.place}: entityname "{excerpt(name)}" is no alias of a joined <link-entity> ({known}); give'
                f" the link that alias, or write the <{element.name}> within the link"
            )
        return found

    def _child(self, scope: Scope, child: Element, level: int) -> str | None:
        match child.name:
            case "condition":
                self.count(child)
                return compile_condition(self.statement, self.scope_of(scope, child), child)
            case "filter":
                return self._filter(scope, child, level)
            case "link-entity":
                return self._link(scope, child)
            case _:
                raise malformed(f"{child.place}: <condition>, <filter> or <link-entity> belongs here")

    def _filter(self, scope: Scope, element: Element, level: int) -> str | None:
        if level > FILTER_LEVELS_MAX:
            raise too_large(
                f"{element.place}: filters lie more than {FILTER_LEVELS_MAX} deep in each other; flatten them"
            )
        element.only(("type",), FILTER_HINTS)
        kind = element.attributes.get("type", "and")
        if kind not in ("and", "or"):
            raise malformed(f'{element.place}: type is "{excerpt(kind)}"; it may be "and" (the default) or "or"')
        parts = []
        for child in element.children:
            part = self._child(scope, child, level + 1)
            if part is not None:
                parts.append(part)
            elif kind == "or":
                raise malformed(f'{child.place}: an empty filter within an "or" matches everything; remove it')
        if not parts and kind == "or":
            raise malformed(f'{element.place}: an "or" of nothing has no meaning; add a condition')
        return f"({f' {kind.upper()} '.join(parts)})" if parts else None

    def _link(self, scope: Scope, element: Element) -> str:
        """A link within a filter: whether linked rows that match exist."""
        self.count(element)
        if self._links == LINK_LEVELS_MAX:
            raise too_large(f"{element.place}: links lie more than {LINK_LEVELS_MAX} deep in each other; flatten them")
        kind = element.attributes.get("link-type", "inner")
        if kind not in ("any", "not any"):
            raise unsupported(f'{element.place}: link-type "{excerpt(kind)}" within a filter; write "any" or "not any"')
        element.only(("name", "from", "to", "link-type", "alias"), LINK_HINTS)
        for child in element.children:
            if child.name not in ("filter", "link-entity", *IGNORED_WITHIN):
                raise malformed(f"{child.place}: <filter> or <link-entity> belongs here")
        linked = Scope(self.table(element), self.next_alias())
        parts = [self.join(scope, linked, element)]
        self._links += 1
        parts += self.every(linked, element.children)
        self._links -= 1
        exists = f"EXISTS (SELECT 1 FROM {sql.quoted(linked.table.name)} AS {linked.alias} WHERE {' AND '.join(parts)})"
        return exists if kind == "any" else f"NOT {exists}"


def _linking(table: Table, attribute: Attribute) -> Family | None:
    """How an attribute links; None if it does not."""
    if attribute.name == table.primary_id:
        return Family.ID
    found = family(attribute)
    return None if found in (Family.REAL, Family.TRUTH, Family.CHOICE_SET) else found
