"""Commands that call the admin endpoint: what they have in common, once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import typer

from haversack_server.cli._options import CaFileOption, DataOption, EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from google.protobuf.message import Message

_Answer = TypeVar("_Answer", bound="Message | Sequence[Any] | DataclassInstance")

_SHARED_OPTIONS = {
    "endpoint": EndpointOption,
    "token": TokenOption,
    "ca_file": CaFileOption,
    "data": DataOption,
    "as_json": JsonOption,
}
_DEFAULTS = {"endpoint": None, "token": None, "ca_file": None, "data": None, "as_json": False}


def admin_command(
    app: typer.Typer,
    name: str,
    *,
    example: str,
    shown: Callable[[_Answer], None],
    fails: Callable[[_Answer, Mapping[str, Any]], bool] | None = None,
    followed: Callable[[Iterator[_Answer]], _Answer] | None = None,
) -> Callable[[Callable[..., _Answer | Iterator[_Answer]]], Callable[..., None]]:
    """Makes a command of a function that calls the admin endpoint and returns what it answered, or made of answers.

    The function's first parameter is the endpoint; its others, all keyword-only, become the command's, and after them
    come --admin, --token, --ca-file, --data and --json. The answer is printed as JSON, or by `shown` for people. Then
    the command ends with exit code 1 if `fails` says so of the answer and the function's own parameters.

    A function may also return answers as they come, an iterator: each is printed as one line of JSON, or `followed`
    shows them for people; the last one counts as the answer.
    """

    def decorate(function: Callable[..., _Answer | Iterator[_Answer]]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(
            *,
            endpoint: str | None,
            token: str | None,
            ca_file: Path | None,
            data: Path | None,
            as_json: bool,
            **own: Any,
        ) -> None:
            from haversack_server.cli._endpoint import connected
            from haversack_server.cli._output import EXIT_REFUSED, print_answer, print_lines

            _refuse_no_text(own)
            with connected(endpoint, token, data, ca_file=ca_file, as_json=as_json) as admin:
                answered = function(admin, **own)
                if isinstance(answered, Iterator):
                    follow = print_lines if as_json or followed is None else followed
                    answer: _Answer = follow(answered)
                else:
                    answer = answered
                    if as_json:
                        print_answer(answer)
                    else:
                        shown(answer)
            if fails is not None and fails(answer, own):
                raise typer.Exit(EXIT_REFUSED)

        _declare(command, function)
        app.command(name, epilog=f"Example: {example}")(command)
        return command

    return decorate


def _refuse_no_text(given: Mapping[str, Any]) -> None:
    """Refuses words that are not UTF-8, which the terminal's encoding does not let through as text."""
    for value in given.values():
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and any("\ud800" <= it <= "\udfff" for it in word):
                shown = word.encode("utf-8", "backslashreplace").decode()
                raise typer.BadParameter(f"{shown} is no text in UTF-8; write it in that encoding")


def _declare(command: Callable[..., None], function: Callable[..., Any]) -> None:
    """Gives a command the signature that Typer reads: the function's own parameters, then the shared options."""
    own = list(inspect.signature(function).parameters.values())[1:]
    # What the endpoint and the answer are is known to type checkers alone, so these two are not evaluated.
    command.__annotations__ = {it.name: it.annotation for it in own}
    kinds = get_type_hints(command, include_extras=True) | _SHARED_OPTIONS
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default) for name, default in _DEFAULTS.items()
    ]
    parameters = [it.replace(annotation=kinds[it.name]) for it in (*own, *shared)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = kinds
