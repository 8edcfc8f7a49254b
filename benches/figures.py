"""What a benchmark finds: figures, each with what it is compared with in the same run, as a table or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rich.console import Console
from rich.table import Table


class Bound(Enum):
    """On which side of a goal a figure should be."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True)
class Goal:
    """What a figure should reach."""

    bound: Bound
    value: float

    def met(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return value <= self.value if self.bound is Bound.AT_MOST else value >= self.value


def at_most(value: float) -> Goal:
    """A ceiling."""
    return Goal(Bound.AT_MOST, value)


def at_least(value: float) -> Goal:
    """A floor."""
    return Goal(Bound.AT_LEAST, value)


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        case: What was done.
        measure: What was measured, with its unit.
        value: The median.
        goal: What it should reach, if that was ever said.
        ratios: The value as a multiple of others of the same run, by their names.
    """

    case: str
    measure: str
    value: float
    goal: Goal | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)

    def as_json(self, bench: str) -> dict[str, Any]:
        """The figure as a JSON object."""
        goal = {"bound": self.goal.bound.value, "value": self.goal.value} if self.goal else None
        return {
            "bench": bench,
            "case": self.case,
            "measure": self.measure,
            "value": self.value,
            "goal": goal,
            "met": self.goal.met(self.value) if self.goal else None,
            "ratios": dict(self.ratios),
        }


def show(console: Console, bench: str, figures: Sequence[Figure]) -> None:
    """Prints figures as a table."""
    table = Table("case", "measure", title=bench, title_justify="left")
    for column in ("value", "goal"):
        table.add_column(column, justify="right")
    table.add_column("within this run")
    for figure in figures:
        ratios = ", ".join(f"{ratio:.2f} x {other}" for other, ratio in figure.ratios.items())
        table.add_row(figure.case, figure.measure, _value(figure), _goal(figure), ratios)
    console.print(table)


def _value(figure: Figure) -> str:
    text = readable(figure.value)
    if figure.goal is None:
        return text
    return f"[green]{text}" if figure.goal.met(figure.value) else f"[red]{text}"


def _goal(figure: Figure) -> str:
    return f"{figure.goal.bound.value} {readable(figure.goal.value)}" if figure.goal else ""


def readable(value: float) -> str:
    """A number with about three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
