"""What commands print: tables for people, JSON for programs; refusals on stderr."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

EXIT_REFUSED = 1


def message_json(message: Message) -> object:
    """Returns a message as JSON data, with the contract's own field names and defaults written out."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def print_answer(answer: object) -> None:
    """Prints an answer as JSON: a message or a dataclass as an object, several as an array."""
    print_json(_data(answer))


def _data(answer: object) -> object:
    if isinstance(answer, Message):
        return message_json(answer)
    if dataclasses.is_dataclass(answer):
        return {it.name: _data(getattr(answer, it.name)) for it in dataclasses.fields(answer)}
    if isinstance(answer, Mapping):
        return {name: _data(it) for name, it in answer.items()}
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return [_data(it) for it in answer]
    return answer


def print_lines(answers: Iterator[Any]) -> Any:
    """Prints each message as a line of JSON as it comes; returns the last one."""
    for answer in answers:
        typer.echo(json.dumps(message_json(answer), ensure_ascii=False))
    return answer


def print_json(content: object) -> None:
    """Prints data as JSON on stdout."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def moment(at_us: int) -> str:
    """Returns a time in microseconds since the Unix epoch as people read it, UTC; empty for 0."""
    return f"{datetime.fromtimestamp(at_us / 1_000_000, UTC):%Y-%m-%d %H:%M:%S}" if at_us else ""


def console() -> Console:
    """Returns where people read; it has colours only if it is a terminal."""
    return Console(highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """Prints a table; columns that are named with a leading ">" are numbers."""
    table = Table(title=title or None, title_justify="left")
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table, markup=False)


def refuse(error: Mapping[str, str], *, as_json: bool) -> NoReturn:
    """Says on stderr what was refused (`reason`, `message`) and ends the command with exit code 1."""
    if as_json:
        typer.echo(json.dumps({"error": dict(error)}, ensure_ascii=False), err=True)
    else:
        stderr = Console(stderr=True, highlight=False, soft_wrap=True)
        stderr.print(error["reason"], style="bold red", end=": ")
        stderr.print(error["message"], markup=False)
    raise typer.Exit(EXIT_REFUSED)
