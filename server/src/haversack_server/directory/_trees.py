"""Edits of business units and positions: trees, in which nothing is below itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from haversack.admin.v1 import directory_pb2

from haversack_server.directory._facts import Facts, Node, above, found
from haversack_server.directory._work import Work, differing, required
from haversack_server.errors import DirectoryInvalid

DEPTH_MAX = 100
"""How deep a tree may be."""


@dataclass(frozen=True)
class Tree:
    """One of the two trees.

    Attributes:
        kind: What messages call a node.
        entity: Logical name of the nodes' entity.
        one_root: Whether all nodes but one are below another.
    """

    kind: str
    entity: str
    one_root: bool

    def nodes(self, facts: Facts) -> dict[str, Node]:
        """Returns the nodes."""
        return facts.units if self.one_root else facts.positions

    def find(self, facts: Facts, name: str) -> Node:
        """Finds a node by id or name."""
        return found(self.kind, self.nodes(facts), name, lambda it: (it.name,))

    def create(self, work: Work, edit: directory_pb2.CreateTreeNode) -> Node:
        """Makes a node."""
        nodes = self.nodes(work.facts)
        parent = self.find(work.facts, edit.parent).id if edit.parent else ""
        if self.one_root and not parent and nodes:
            raise DirectoryInvalid(
                f"only the first business unit is above all others; say below which {edit.name!r} is"
            )
        node = Node(work.new_id(edit.id, nodes), required(edit.name, f"the name of the new {self.kind}"), parent)
        self._refuse_taken(nodes, node)
        nodes[node.id] = node
        self._refuse_deep(nodes, node)
        work.make(self.entity, {f"{self.entity}id": node.id, "name": node.name, self._parent: node.parent})
        return node

    def update(self, work: Work, edit: directory_pb2.UpdateTreeNode) -> Node:
        """Changes or moves a node."""
        nodes, node = self.nodes(work.facts), self.find(work.facts, edit.node)
        old, news = {"name": node.name, self._parent: node.parent}, dict[str, Any]()
        if edit.HasField("name"):
            news["name"] = node.name = required(edit.name, f"the name of the {self.kind}")
            self._refuse_taken(nodes, node)
        if edit.HasField("parent"):
            news[self._parent] = node.parent = self._new_parent(work.facts, node, edit.parent)
            for it in nodes.values():
                self._refuse_deep(nodes, it)
        changed = differing(news, old)
        if self._parent in changed:
            work.foresee_not(f"what {self.kind}s that move bring about is not foreseen")
        work.change(self.entity, node.id, changed)
        return node

    def delete(self, work: Work, name: str) -> Node:
        """Deletes a node that nothing belongs to."""
        facts, nodes = work.facts, self.nodes(work.facts)
        node = self.find(facts, name)
        if self.one_root and len(nodes) == 1:
            raise DirectoryInvalid(f"{node.name} is the last business unit, and every user and team belongs to one")
        held = self._belongings(work, node)
        if held:
            raise DirectoryInvalid(f"{self.kind} {node.name} is not empty: it has {', '.join(held)}; move them first")
        work.delete(self.entity, node.id)
        del nodes[node.id]
        return node

    @property
    def _parent(self) -> str:
        return f"parent{self.entity}id"

    def _new_parent(self, facts: Facts, node: Node, name: str) -> str:
        if not name:
            if self.one_root and node.parent:
                raise DirectoryInvalid(f"only one business unit is above all others; say below which {node.name} is")
            return ""
        parent = self.find(facts, name)
        if parent.id == node.id or node.id in above(self.nodes(facts), parent.id):
            raise DirectoryInvalid(f"{node.name} cannot be below {parent.name}, which is {node.name} or below it")
        return parent.id

    def _belongings(self, work: Work, node: Node) -> list[str]:
        """Returns what belongs to a node, in words."""
        facts = work.facts
        counts = {f"{self.kind}s below it": sum(it.parent == node.id for it in self.nodes(facts).values())}
        if not self.one_root:
            counts["users"] = sum(it.position == node.id for it in facts.users.values())
        else:
            counts["users"] = sum(it.unit == node.id for it in facts.users.values())
            counts["teams"] = sum(it.unit == node.id for it in facts.teams.values())
            counts["roles"] = sum(it.unit == node.id for it in facts.roles.values())
        held = [f"{count} {what}" for what, count in counts.items() if count]
        entity = work.rows.first_that_refers("owningbusinessunit", node.id) if self.one_root and not held else None
        return [*held, f"rows of {entity}"] if entity else held

    def _refuse_taken(self, nodes: dict[str, Node], node: Node) -> None:
        if any(it.name.casefold() == node.name.casefold() and it.id != node.id for it in nodes.values()):
            raise DirectoryInvalid(f"there is a {self.kind} {node.name!r} already; choose another name")

    def _refuse_deep(self, nodes: dict[str, Node], node: Node) -> None:
        if sum(1 for _ in above(nodes, node.id)) >= DEPTH_MAX:
            raise DirectoryInvalid(f"{node.name} would be more than {DEPTH_MAX} deep; put it higher")


UNITS = Tree("business unit", "businessunit", one_root=True)
POSITIONS = Tree("position", "position", one_root=False)
