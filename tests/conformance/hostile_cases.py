"""Cases of kind `hostile`: documents that must be refused.

A process of its own (`refusal.py`) compiles one document after the other. If it crashes, hangs or asks for too much
memory, that is the failure of this one case, and the next one gets a new process.
"""

import base64
import re
import selectors
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, Self, TypedDict, cast

from conformance.reading import Case, Failure

# What a refusal may take.
SECONDS_MAX = 2
# What the largest document of a generator may have; larger ones are the file's mistake.
DOCUMENT_BYTES_MAX = 256 * 1024 * 1024
# What starting a process may take, and handing it a document.
START_SECONDS_MAX = 60
# What a process that has closed its end may take to be gone.
END_SECONDS_MAX = 5
# How far into a document its entity's name is sought.
NAME_SOUGHT_CHARS = 1000
WORKER = Path(__file__).with_name("refusal.py")


class Repeat(TypedDict):
    """A text, many times."""

    repeat: str
    count: int


class Nest(TypedDict):
    """Texts around a text, many times."""

    open: str
    close: str
    depth: int
    inner: str


class Generator(TypedDict, total=False):
    """How to make a document; one of these."""

    concat: list[str | Repeat]
    nest: Nest
    base64: str


class HostileCase(TypedDict):
    """One line of a file."""

    id: str
    fetchxml: NotRequired[str]
    generator: NotRequired[Generator]


def document(case: HostileCase) -> bytes:
    """The bytes that are to be refused. Raises ValueError for a generator that is none, or makes too much."""
    if "fetchxml" in case:
        return _encoded(case["fetchxml"])
    generator = case.get("generator", {})
    if "base64" in generator:
        return base64.b64decode(generator["base64"], validate=True)
    if "nest" in generator:
        nest = generator["nest"]
        _bound(_times(nest["open"], nest["depth"]) + _times(nest["close"], nest["depth"]))
        return _encoded(nest["open"] * nest["depth"] + nest["inner"] + nest["close"] * nest["depth"])
    if "concat" in generator:
        parts = generator["concat"]
        _bound(sum(0 if isinstance(part, str) else _times(part["repeat"], part["count"]) for part in parts))
        return _encoded("".join(part if isinstance(part, str) else part["repeat"] * part["count"] for part in parts))
    raise ValueError("the case has neither a fetchxml nor a generator that is known")


def _encoded(text: str) -> bytes:
    # JSON can say halves of a surrogate pair; as bytes they are no UTF-8.
    return text.encode("utf-8", "surrogatepass")


def _times(text: str, count: int) -> int:
    return len(text) * count


def _bound(chars: int) -> None:
    if chars > DOCUMENT_BYTES_MAX:
        raise ValueError(f"the document would have more than {DOCUMENT_BYTES_MAX} bytes")


def entity_of(cases: Iterable[Case]) -> str:
    """The entity that a file assumes: the one that most of its fetches name."""
    texts = (cast(HostileCase, case).get("fetchxml", "")[:NAME_SOUGHT_CHARS] for case in cases)
    names = Counter(name for text in texts for name in re.findall(r"<entity\s+name=['\"]([a-z_][a-z0-9_]*)['\"]", text))
    return names.most_common(1)[0][0] if names else "thing"


class Refusals:
    """Asks processes, one at a time, whether the engine refuses documents on an entity of this name."""

    def __init__(self, entity: str = "thing") -> None:
        self._entity = entity
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    def check(self, case: Case) -> Failure | None:
        """Runs a case; None if its document is refused."""
        try:
            xml = document(cast(HostileCase, case))
        except (KeyError, TypeError, ValueError) as error:
            return Failure(case["id"], "a refusal", f"{type(error).__name__}: {error}")
        verdict = self._ask(xml)
        return None if verdict == "refused" else Failure(case["id"], "a refusal", verdict)

    def _ask(self, xml: bytes) -> str:
        process = self._process or self._start()
        try:
            _send(process, xml)
        except BrokenPipeError:
            return self._stop()
        if _line(process, START_SECONDS_MAX) != "ready":
            return self._stop()
        answer = _line(process, SECONDS_MAX)
        if answer is None:
            self._kill()
            return f"no answer within {SECONDS_MAX} s"
        return answer or self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), self._entity]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return self._process

    def _stop(self) -> str:
        """Tells how the process has ended."""
        assert self._process is not None, "a process was asked"
        try:
            code = self._process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return "the process neither answered nor ended"
        finally:
            self._kill()
        return f"the process ended by signal {-code}" if code < 0 else f"the process ended with status {code}"

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _send(process: subprocess.Popen[bytes], xml: bytes) -> None:
    assert process.stdin is not None, "the process was started with a pipe"
    rest = memoryview(len(xml).to_bytes(8, "big") + xml)
    while rest:
        rest = rest[process.stdin.write(rest) or 0 :]


def _line(process: subprocess.Popen[bytes], seconds_max: float) -> str | None:
    """The next line that the process says; empty if it has ended, None if it says nothing for so long."""
    assert process.stdout is not None, "the process was started with a pipe"
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds_max):
            return None
    return process.stdout.readline().decode().strip()
