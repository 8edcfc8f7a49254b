"""Files of cases: JSON Lines, one case a line."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Case(TypedDict):
    """What cases of every kind have; the rest is the kind's own business."""

    id: str


class Unreadable(Exception):
    """A file of cases that cannot be read; says where."""


@dataclass(frozen=True)
class Failure:
    """A case whose answer is not the expected one."""

    case: str
    expected: Json
    got: Json

    def __str__(self) -> str:
        return f"{self.case}: expected {one_line(self.expected)}, got {one_line(self.got)}"


def one_line(value: Json) -> str:
    """A value as JSON; a text as it is, on one line."""
    return " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def asked(question: Callable[[], Json]) -> Json:
    """What the engine answers; or, as a text, how it failed. Whatever fails one case must not end the run."""
    try:
        return question()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the engine's panics are no Exception
        return f"{type(error).__name__}: {error}"


def read_cases(path: Path) -> list[Case]:
    """Reads a file. Raises Unreadable for a file that is not there or a line that is no case."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path}: {error}") from error
    return [_case(f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]


def _case(place: str, line: str) -> Case:
    try:
        case: Json = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place}: {error}") from error
    if not isinstance(case, dict) or not isinstance(case.get("id"), str):
        raise Unreadable(f'{place}: a case is an object with an "id"')
    return cast(Case, case)
