"""Answers to questions as people read them: tables and trees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haversack.admin.v1 import questions_pb2
    from rich.tree import Tree

_MICROSECONDS = 1_000_000


def show_estimate(answer: questions_pb2.EstimateResponse) -> None:
    """Prints totals, percentiles, and users."""
    from haversack_server.cli._output import print_table

    show_line(
        f"{answer.user_count:,} users with {answer.view_count:,} different views: "
        f"{_amount(answer.total)} in all, {_at(answer.moment)}"
    )
    spread = [("all", answer.total, answer.rows, answer.bytes)]
    spread += [(it.entity, it.total, it.rows, it.bytes) for it in answer.entities]
    columns = (
        "entity",
        ">rows in all",
        ">p50",
        ">p90",
        ">p99",
        ">max",
        ">bytes in all",
        ">p50",
        ">p90",
        ">p99",
        ">max",
    )
    print_table(
        columns,
        [(name, f"{it.rows:,}", *_spread(rows), f"{it.bytes:,}", *_spread(size)) for name, it, rows, size in spread],
    )
    _print_users("largest devices", answer.largest)
    if answer.users:
        _print_users(f"{len(answer.users):,} of {answer.user_count:,} users, by id", answer.users)
    if answer.beyond_count:
        show_line(f"{answer.beyond_count:,} users pass the limit: {', '.join(answer.beyond)}")


def show_difference(answer: questions_pb2.DiffResponse) -> None:
    """Prints what users gain and lose."""
    from haversack_server.cli._output import print_table

    show_line(
        f"{answer.changed_count:,} of {answer.user_count:,} users see a difference: {_amount(answer.gained)} come, "
        f"{_amount(answer.lost)} go; before {_at(answer.before)}, after {_at(answer.after)}"
    )
    rows = [
        (user.user, it.entity, f"{it.gained.rows:,}", f"{it.gained.bytes:,}", f"{it.lost.rows:,}", f"{it.lost.bytes:,}")
        for user in answer.users
        for it in user.entities
    ]
    if rows:
        print_table(("user", "entity", ">rows gained", ">bytes gained", ">rows lost", ">bytes lost"), rows)
    for user in answer.users:
        if user.denial_before != user.denial_after:
            show_line(f"{user.user}: {_denial(user.denial_before)} before, {_denial(user.denial_after)} after")
        for it in user.entities:
            samples = [*(f"+{row}" for row in it.gained_sample), *(f"-{row}" for row in it.lost_sample)]
            if samples:
                show_line(f"{user.user}, {it.entity}: {' '.join(samples)}")


def show_explanation(answer: questions_pb2.ExplainResponse) -> None:
    """Prints the tree of reasons."""
    from haversack_server.cli._output import console

    console().print(_tree(answer.reason))
    show_line(_at(answer.moment))


def show_holders(answer: questions_pb2.HoldersResponse) -> None:
    """Prints users, and devices."""
    from haversack_server.cli._output import print_table

    exists = "" if answer.alive else "there is no such row, or it is deleted: "
    show_line(f"{exists}{answer.holder_count:,} of {answer.user_count:,} users have the row, {_at(answer.moment)}")
    if answer.users:
        print_table(("user",), [(user,) for user in answer.users])
    if answer.devices:
        rows = [
            (
                it.install_id.hex(),
                it.user,
                it.app,
                "connected" if it.connected else "away",
                f"{it.checkpoint_lsn} at {_time(it.checkpoint_at_us)}",
                "confirmed" if it.confirmed else "sent",
                "has it" if it.in_view else "loses it at its next sync",
            )
            for it in answer.devices
        ]
        print_table(("device", "user", "app", "now", "last checkpoint", "", "the row"), rows)
    forgotten = f", {answer.devices_forgotten:,} of them forgotten" if answer.devices_forgotten else ""
    show_line(f"devices: as this server has seen them since {_time(answer.devices_since_us)}{forgotten}")


def show_findings(answer: questions_pb2.LintResponse) -> None:
    """Prints what smells."""
    from haversack.admin.v1 import questions_pb2

    from haversack_server.cli._output import print_table

    if not answer.findings:
        show_line(f"nothing smells, {_at(answer.moment)}")
        return
    rows = [
        (
            questions_pb2.Smell.Name(it.smell).removeprefix("SMELL_"),
            it.entity,
            it.subject,
            it.sentence,
            f"{it.views:,}" if it.views else "",
        )
        for it in answer.findings
    ]
    print_table(("smell", "item", "of", "found", ">views"), rows)


def _tree(reason: questions_pb2.Reason) -> Tree:
    """Returns a reason and what it rests on, each with whether it is true."""
    from rich.markup import escape
    from rich.tree import Tree

    mark, style = ("✓", "green") if reason.holds else ("✗", "red")
    tree = Tree(f"[{style}]{mark}[/{style}] {escape(reason.sentence)}")
    for child in reason.children:
        tree.children.append(_tree(child))
    return tree


def _print_users(title: str, users: Iterable[questions_pb2.UserEstimate]) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (
            it.user,
            f"{it.total.rows:,}",
            f"{it.total.bytes:,}",
            ", ".join(f"{part.entity} {part.amount.rows:,}" for part in it.entities) or _denial(it.denial),
        )
        for it in users
    ]
    print_table(("user", ">rows", ">bytes", "by entity"), rows, title=title)


def show_line(text: str) -> None:
    """Prints a line, as it is."""
    from haversack_server.cli._output import console

    console().print(text, markup=False)


def _amount(amount: questions_pb2.Amount) -> str:
    return f"{amount.rows:,} rows ({amount.bytes:,} bytes)"


def _spread(numbers: questions_pb2.Percentiles) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in (numbers.p50, numbers.p90, numbers.p99, numbers.max))


def _denial(denial: questions_pb2.ViewDenial) -> str:
    from haversack.admin.v1 import questions_pb2

    name = questions_pb2.ViewDenial.Name(denial).removeprefix("VIEW_DENIAL_")
    return "has a view" if denial == questions_pb2.VIEW_DENIAL_UNSPECIFIED else name.lower().replace("_", " ")


def _at(moment: questions_pb2.AnswerMoment) -> str:
    at = f"at LSN {moment.lsn_first}"
    between = f"between LSN {moment.lsn_first} and {moment.lsn_last}"
    return f"{at if moment.lsn_first == moment.lsn_last else between}, revision {moment.revision}"


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / _MICROSECONDS, tz=UTC).isoformat(sep=" ", timespec="seconds")
