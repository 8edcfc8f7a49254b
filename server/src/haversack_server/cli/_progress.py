"""Provisioning for people: a picture that moves at a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from haversack.admin.v1 import provisioning_pb2 as pb
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 32
REFRESHES_PER_SECOND = 8
MEGABYTE = 1_000_000

_IN_WORDS = {
    pb.PROVISIONING_STEP_VALIDATE: "Validate",
    pb.PROVISIONING_STEP_CREATE_STAGING: "Create the staging database",
    pb.PROVISIONING_STEP_REPLICATE_METADATA: "Replicate metadata",
    pb.PROVISIONING_STEP_BUILD_MODEL: "Build the model",
    pb.PROVISIONING_STEP_REPLICATE_DATA: "Replicate data",
    pb.PROVISIONING_STEP_BUILD_INDEXES: "Build indexes",
    pb.PROVISIONING_STEP_ACTIVATE: "Activate",
    pb.PROVISIONING_STEP_DEACTIVATE: "Deactivate",
    pb.PROVISIONING_STEP_DELETE_STAGING: "Delete the staging database",
    pb.PROVISIONING_STEP_DELETE_WORK_ITEMS: "Delete work items",
    pb.PROVISIONING_STEP_DELETE_MODELS: "Delete models",
}
_MARKS = {
    pb.STEP_STATE_WAITING: ("·", "dim"),
    pb.STEP_STATE_RUNNING: ("▸", "cyan"),
    pb.STEP_STATE_DONE: ("✓", "green"),
    pb.STEP_STATE_FAILED: ("✗", "bold red"),
    pb.STEP_STATE_SKIPPED: ("-", "dim"),
}


def show(provisioning: pb.Provisioning) -> None:
    """Prints where provisioning stands."""
    Console(highlight=False, soft_wrap=True).print(_picture(provisioning, moving=False))


def follow(answers: Iterator[pb.Provisioning]) -> pb.Provisioning:
    """Shows where provisioning stands, again and again; returns how it stands at the end."""
    console = Console(highlight=False, soft_wrap=True)
    return _draw(answers, console) if console.is_terminal else _tell(answers, console)


def _draw(answers: Iterator[pb.Provisioning], console: Console) -> pb.Provisioning:
    """Draws the same picture anew with each answer."""
    with Live(console=console, refresh_per_second=REFRESHES_PER_SECOND) as live:
        for provisioning in answers:
            live.update(_picture(provisioning, moving=True))
        live.update(_picture(provisioning, moving=False))
    return provisioning


def _tell(answers: Iterator[pb.Provisioning], console: Console) -> pb.Provisioning:
    """Prints a line for each thing that is new."""
    told: set[str] = set()
    for provisioning in answers:
        for line in _lines(provisioning):
            if line not in told:
                told.add(line)
                console.print(line, markup=False)
    for line in _conclusion(provisioning):
        console.print(line, markup=False)
    return provisioning


def _lines(provisioning: pb.Provisioning) -> Iterator[str]:
    """Yields what can be said of each step, so that the same thing is always said in the same words."""
    for step in provisioning.operation.steps:
        name = _IN_WORDS[step.step]
        if step.state in (pb.STEP_STATE_DONE, pb.STEP_STATE_RUNNING):
            yield f"{name} ..."
        if step.step == pb.PROVISIONING_STEP_REPLICATE_DATA and step.state == pb.STEP_STATE_RUNNING:
            yield f"{name} ... {step.percent // 10 * 10} %"
        if step.state == pb.STEP_STATE_DONE:
            yield f"{name} ... done"
        if step.state == pb.STEP_STATE_FAILED:
            yield f"{name} ... failed"


def _picture(provisioning: pb.Provisioning, *, moving: bool) -> RenderableType:
    head = Text.assemble(
        (provisioning.organization, "bold"),
        " is ",
        (_state(provisioning), "bold"),
        f" since {_time(provisioning.since_at_us)}",
    )
    table = Table.grid(padding=(0, 1))
    for step in provisioning.operation.steps:
        table.add_row(*_row(step, provisioning.operation.entities, moving=moving))
    tail = [] if moving else [Text(line) for line in _conclusion(provisioning)]
    return Group(head, table, *tail) if provisioning.operation.steps else Group(head, *tail)


def _row(step: pb.OperationStep, entities: Iterable[pb.EntityProgress], *, moving: bool) -> list[RenderableType]:
    mark, style = _MARKS[step.state]
    is_running = step.state == pb.STEP_STATE_RUNNING
    sign: RenderableType = Spinner("dots", style=style) if moving and is_running else Text(mark, style)
    name = Text(_IN_WORDS[step.step], "" if step.state != pb.STEP_STATE_WAITING else "dim")
    if step.step != pb.PROVISIONING_STEP_REPLICATE_DATA or not step.began_at_us:
        return [sign, name, Text(_seconds(step), "dim")]
    if is_running:
        moved = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=100, completed=step.percent, width=BAR_WIDTH)
        moved.add_row(bar, Text(_amounts(step, entities), no_wrap=True))
        return [sign, name, moved]
    return [sign, name, Text(f"{_seconds(step)}  {_amounts(step, entities)}".strip(), "dim")]


def _amounts(step: pb.OperationStep, entities: Iterable[pb.EntityProgress]) -> str:
    """Says how many rows and bytes there are of how many, and how long it will still take."""
    listed = list(entities)
    done, total = sum(it.rows_done for it in listed), sum(it.rows_total for it in listed)
    size = sum(it.bytes for it in listed) / MEGABYTE
    said = f"{done:,} of {total:,} rows, {size:,.1f} MB"
    return f"{said}, {step.seconds_left:,} s left" if step.HasField("seconds_left") else said


def _seconds(step: pb.OperationStep) -> str:
    return f"{(step.ended_at_us - step.began_at_us) / 1e6:.1f} s" if step.ended_at_us else ""


def _conclusion(provisioning: pb.Provisioning) -> Iterator[str]:
    """Yields what remains to be said: why it failed, and what can be done next."""
    operation = provisioning.operation
    if operation.HasField("failure"):
        failure = operation.failure
        yield f"failed at {_IN_WORDS[failure.step]}, {_time(failure.at_us)}: {failure.message}"
    consent = provisioning.consent
    if consent.who:
        yield f"consent to terms {consent.terms} by {consent.who}, {_time(consent.at_us)}"
    else:
        yield "nobody has consented to the terms of provisioning yet"
    next_ = {
        "START": "org provision",
        "STOP": "org stop",
        "RETRY": "org retry",
        "DEPROVISION": "org deprovision",
    }
    commands = [f"`haversack {next_[event]} {provisioning.organization}`" for event in provisioning.legal]
    checked = f"{_state(provisioning)}, checked {_time(provisioning.checked_at_us)}"
    yield f"{checked}; next: {' or '.join(commands) or 'wait'}"


def _state(provisioning: pb.Provisioning) -> str:
    return pb.ProvisioningState.Name(provisioning.state).removeprefix("PROVISIONING_STATE_")


def _time(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
