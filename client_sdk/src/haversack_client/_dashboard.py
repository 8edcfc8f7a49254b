"""What `haversack-device watch` draws on a terminal: how the device is, how far it is, what it holds and what waits."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from haversack_client._device import Device
from haversack_client._live import LiveEvent
from haversack_client._monitor import Activity, OverallState
from haversack_client._reader import Status
from haversack_client._stage import Stage
from haversack_client._terminal import STAGE_TEXTS, event_text

if TYPE_CHECKING:
    from rich.console import RenderableType

EVENTS_SHOWN = 8
REFRESHES_PER_SECOND = 4
BAR_WIDTH = 40
STYLES = {
    OverallState.ERROR: "bold red",
    OverallState.WARNING: "yellow",
    OverallState.SYNCING: "cyan",
    OverallState.NOT_CONNECTED: "dim",
    OverallState.PENDING_UPLOAD: "cyan",
    OverallState.CONNECTED: "green",
}


class Dashboard:
    """A screen that follows a device. Use it as a context manager around the live stream."""

    def __init__(self, device: Device, console: Console | None = None) -> None:
        self._device = device
        self._events: deque[str] = deque(maxlen=EVENTS_SHOWN)
        self._status = device.status()
        self._screen = Screen(
            get_renderable=self._draw, console=console or Console(), refresh_per_second=REFRESHES_PER_SECOND
        )
        self._end_listening: Callable[[], None] = lambda: None

    def __enter__(self) -> "Dashboard":
        self._end_listening = self._device.on_activity(self._on_activity)
        self._screen.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_listening()
        self._screen.stop()

    def take(self, event: LiveEvent) -> None:
        """Adds an event to those that are shown."""
        self._events.append(f"{datetime.now(UTC):%H:%M:%S} {event_text(event)}")

    def _on_activity(self, activity: Activity) -> None:
        """Reads what the device holds anew, but not while rows pour in."""
        if activity.state is not OverallState.SYNCING:
            self._status = self._device.status()

    def _draw(self) -> "RenderableType":
        return picture(self._device.activity, self._status, list(self._events))


def picture(activity: Activity, status: Status, events: list[str]) -> "RenderableType":
    """The whole screen."""
    parts: list[RenderableType] = [
        _headline(activity),
        _stages(activity, status),
        _progress(activity),
        _entities(status),
    ]
    return Group(*parts, *(Text(event, style="dim") for event in events))


def _headline(activity: Activity) -> Text:
    text = Text.assemble(("● " + activity.state.value, STYLES[activity.state]))
    if activity.waiting:
        text.append(f"  {activity.waiting:,} writes wait")
    if activity.queued:
        text.append(f"  {activity.queued:,} at the server, waiting for the source")
    if activity.refused:
        text.append(f"  {activity.refused:,} were refused", style="yellow")
    if activity.model_waiting:
        text.append("  a new model waits", style="yellow")
    if activity.error:
        text.append(f"  {activity.error}", style="red")
    if activity.retry_seconds:
        text.append(f"  next call in {activity.retry_seconds:.0f} s")
    return text


def _stages(activity: Activity, status: Status) -> Table:
    """The seven stages, and when each was reached."""
    table = Table.grid(padding=(0, 2))
    reached = {each.stage: each.at_us for each in status.stages}
    for stage in Stage:
        done = stage <= activity.stage
        mark = "✓" if stage < activity.stage or stage is Stage.READY is activity.stage else "▶" if done else " "
        at_us = reached.get(stage)
        table.add_row(
            mark,
            Text(f"{int(stage)} {STAGE_TEXTS[stage]}", style="" if done else "dim"),
            _time(at_us) if at_us and done else "",
        )
    return table


def _progress(activity: Activity) -> "RenderableType":
    if not activity.rows_total:
        return Text("")
    table = Table.grid(padding=(0, 2))
    left = "" if activity.seconds_left is None else f"{activity.seconds_left:.0f} s left"
    table.add_row(
        ProgressBar(total=1.0, completed=activity.fraction, width=BAR_WIDTH),
        f"{activity.fraction:.0%}",
        f"{activity.rows_done:,} of {activity.rows_total:,} rows",
        left,
        activity.entity,
    )
    return table


def _entities(status: Status) -> Table:
    table = Table(box=None, padding=(0, 2))
    for position, header in enumerate(("entity", "rows", "bytes", "last sync", "waiting", "queued", "error")):
        table.add_column(header, justify="right" if 0 < position < 6 else "left")  # noqa: PLR2004 (numbers, in between)
    for entity in status.entities:
        table.add_row(
            Text(entity.name),
            f"{entity.rows:,}",
            f"{entity.received_bytes:,}",
            _time(entity.synced_at_us) if entity.synced_at_us else "never",
            f"{entity.waiting:,}" if entity.waiting else "",
            f"{entity.queued:,}" if entity.queued else "",
            Text(entity.error, style="yellow"),
        )
    return table


def _time(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%H:%M:%S}"
