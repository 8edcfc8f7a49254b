"""Files on their way to the server, with progress on stderr if that is a terminal."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PART_BYTES = 512 * 1024


class Sending:
    """One file being sent."""

    def __init__(self, file: Path, progress: Progress, task: TaskID) -> None:
        self._file = file
        self._progress = progress
        self._task = task

    def parts(self) -> Iterator[bytes]:
        """Yields the file's content, unpacked, and moves the bar by what was read from disk."""
        lines = 0
        with self._file.open("rb") as raw:
            source = gzip.GzipFile(fileobj=raw) if self._file.suffix == ".gz" else raw
            while part := source.read(PART_BYTES):
                yield part
                lines += part.count(b"\n")
                self._progress.update(self._task, completed=raw.tell(), rows=lines)


@contextmanager
def sending(files: Sequence[Path], *, shown: bool) -> Iterator[list[Sending]]:
    """Returns what to send, one for each file; its progress is shown while the block runs."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as progress:
        tasks = [progress.add_task(file.name, total=file.stat().st_size, rows=0) for file in files]
        yield [Sending(file, progress, task) for file, task in zip(files, tasks, strict=True)]
