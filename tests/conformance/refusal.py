"""The process that hostile documents meet: `refusal.py ENTITY` compiles what comes through its standard input.

Each document comes behind its length in 8 bytes, big endian. The process says `ready` when it has all of it, and then
`refused` or what happened instead, each on a line. It may use little more memory than it had when it was ready.
"""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.filter_cases import KINDS, ROW_ID
from conformance.organization import ORGANIZATION, Organization
from haversack_server import _core

MEMORY_BYTES_MAX = 200 * 1024 * 1024
ATTRIBUTES = {
    "name": "string",
    "description": "memo",
    "n": "integer",
    "big": "bigint",
    "amount": "money",
    "dec": "decimal",
    "dbl": "double",
    "flag": "boolean",
    "pick": "picklist",
    "statecode": "state",
    "acts": "multiselectpicklist",
    "createdon": "datetime:userlocal",
    "due": "datetime:dateonly",
    "parentid": "lookup",
}


def model(entity: str) -> bytes:
    """The metadata that hostile filters are on."""
    organization = Organization()
    kinds = {name: KINDS[kind] for name, kind in ATTRIBUTES.items()}
    organization.entity(entity, ORGANIZATION, ROW_ID, kinds, {"parentid": entity})
    return organization.model.SerializeToString()


def limit_memory(growth_bytes_max: int) -> None:
    """Lets the process grow by so much from now on. Where the system does not tell its size (macOS): no limit."""
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        used = int(sizes.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + growth_bytes_max, resource.getrlimit(resource.RLIMIT_AS)[1]))


def lift_limit() -> None:
    """Lets the process grow again, to take the next document."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def verdict(compiled_for: bytes, entity: str, xml: bytes) -> str:
    """What the engine does with a document."""
    try:
        plan = _core.compile_filter(compiled_for, entity, xml)
    except _core.CoreError:
        return "refused"
    except BaseException as error:
        return f"no CoreError but {type(error).__name__}: {error}".replace("\n", " ")
    return f"a plan of {len(plan)} bytes"


def main() -> None:
    """Answers until its standard input ends."""
    # A dying process leaves no core file behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    entity = sys.argv[1]
    compiled_for = model(entity)
    while size := sys.stdin.buffer.read(8):
        xml = sys.stdin.buffer.read(int.from_bytes(size, "big"))
        limit_memory(MEMORY_BYTES_MAX)
        print("ready", flush=True)
        print(verdict(compiled_for, entity, xml), flush=True)
        lift_limit()


if __name__ == "__main__":
    main()
