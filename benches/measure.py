"""Processes and what they cost: built examples, workers that are spoken to line by line, CPU time, memory, medians."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STOP_SECONDS_MAX = 20

USER_TICKS, SYSTEM_TICKS = 11, 12
"""Places in /proc/<pid>/stat, counted behind the command's closing bracket."""


Answer = dict[str, Any]
Result = TypeVar("Result")


class MeasureError(Exception):
    """A process did not do what a benchmark asked of it."""


def example(package: str, name: str) -> str:
    """Builds an example of a crate of the workspace for release, and returns its path."""
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--package", package, "--example", name]
    subprocess.run(build, cwd=ROOT, check=True)
    return str(TARGET / "release" / "examples" / name)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, its threads included; it advances in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Memory that a process has resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


class Worker:
    """A process that answers in JSON lines, and ends when its standard input does."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.command = command
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=STOP_SECONDS_MAX)

    def say(self, line: str) -> None:
        """Writes a line to the process."""
        stream = self._open(self._process.stdin)
        stream.write(f"{line}\n")
        stream.flush()

    def hear(self) -> Answer:
        """Waits for the process's next line of JSON."""
        line = self._open(self._process.stdout).readline()
        if not line:
            raise MeasureError(f"{self.command[0]} ended with status {self._process.wait()}")
        answer: Answer = json.loads(line)
        return answer

    def ask(self, line: str) -> Answer:
        """Writes a line and waits for the answer."""
        self.say(line)
        return self.hear()

    def cpu_seconds(self) -> float:
        """CPU time of the process so far."""
        return cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        """Memory that the process has resident."""
        return resident_bytes(self.pid)

    @staticmethod
    def _open(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            raise MeasureError("the process was started without pipes")
        return stream


def json_lines(command: Sequence[str]) -> list[Answer]:
    """Runs a program to its end and returns the JSON lines that it printed."""
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def interleaved(rounds: int, cases: Mapping[str, Callable[[], Result]]) -> dict[str, list[Result]]:
    """Runs every case once a round, so that what disturbs the machine disturbs all cases alike."""
    results: dict[str, list[Result]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            results[name].append(case())
    return results


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part (0 to 1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def machine() -> str:
    """This machine in one line."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), "")
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / 2**30
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    processor = f"{os.cpu_count()} x {model or platform.machine()}"
    return f"{processor}, {memory:.0f} GiB, {system}, Python {platform.python_version()}"
