"""Sets of ordinals in the portable Roaring format (https://github.com/RoaringBitmap/RoaringFormatSpec).

A bitmap is a list of containers, one for each block of 65,536 ordinals. Parsing checks sizes and keeps views of the
bytes; ordinals come into being one block at a time, and only when asked for. So a few bytes that stand for billions
of ordinals (runs do) cost nothing but the blocks that the device really holds.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise

from haversack_client._errors import ProtocolError

BLOCK_BITS = 16
BLOCK_SIZE = 1 << BLOCK_BITS
"""Ordinals in a block; also the most containers that a bitmap can have."""

COOKIE_WITHOUT_RUNS = 12346
COOKIE_WITH_RUNS = 12347
OFFSETS_THRESHOLD = 4
"""A bitmap with runs has an offset table only from this many containers on."""

ARRAY_LENGTH_MAX = 4096
BITMAP_BYTES = BLOCK_SIZE // 8

_DIGITS_TO_BITS = bytes.maketrans(b"01", b"\x00\x01")
_BITS_TO_DIGITS = bytes.maketrans(b"\x00\x01", b"01")


@dataclass(frozen=True, slots=True)
class _Container:
    """The ordinals of one block: their bytes and how to read them."""

    cardinality: int
    data: memoryview
    read: Callable[[memoryview], list[int]]


class Bitmap:
    """A set of 32-bit ordinals as it came over the wire."""

    def __init__(self, data: bytes) -> None:
        """Parses the portable format. Raises ProtocolError if it is malformed; empty bytes are the empty set."""
        try:
            self._containers = dict(_parse(memoryview(data))) if data else {}
        except struct.error as error:
            raise ProtocolError("a Roaring bitmap ends too early") from error

    def __len__(self) -> int:
        """How many ordinals it states to hold."""
        return sum(container.cardinality for container in self._containers.values())

    def blocks(self) -> list[int]:
        """The blocks that have ordinals, ascending."""
        return list(self._containers)

    def ordinals(self, block: int) -> list[int]:
        """Returns the ordinals within a block, ascending. Raises ProtocolError if the container contradicts itself."""
        container = self._containers.get(block)
        if container is None:
            return []
        low = container.read(container.data)
        ascending = all(first < second for first, second in pairwise(low))
        if len(low) != container.cardinality or not ascending:
            raise ProtocolError("a container of a Roaring bitmap is not what its header says")
        base = block << BLOCK_BITS
        return [base + value for value in low]


def encode_block(block: int, ordinals: Sequence[int]) -> bytes:
    """Writes distinct, ascending ordinals of one block as a bitmap with at most one container."""
    if not ordinals:
        return struct.pack("<II", COOKIE_WITHOUT_RUNS, 0)
    base = block << BLOCK_BITS
    body = _write_container([ordinal - base for ordinal in ordinals])
    header = struct.pack("<IIHHI", COOKIE_WITHOUT_RUNS, 1, block, len(ordinals) - 1, 16)
    return header + body


def _write_container(low: list[int]) -> bytes:
    if len(low) <= ARRAY_LENGTH_MAX:
        return struct.pack(f"<{len(low)}H", *low)
    bits = bytearray(BLOCK_SIZE)
    for value in low:
        bits[value] = 1
    return int(bits[::-1].translate(_BITS_TO_DIGITS), 2).to_bytes(BITMAP_BYTES, "little")


def _parse(data: memoryview) -> Iterator[tuple[int, _Container]]:
    """Yields (block, container), having checked that blocks ascend and that nothing is left over."""
    count, runs, position = _read_cookie(data)
    headers = list(struct.iter_unpack("<HH", _take(data, position, 4 * count)))
    position += 4 * count
    if runs is None or count >= OFFSETS_THRESHOLD:
        position += 4 * count
    previous = -1
    for index, (block, cardinality_less_one) in enumerate(headers):
        if block <= previous:
            raise ProtocolError("the blocks of a Roaring bitmap do not ascend")
        previous = block
        is_run = runs is not None and bool(runs[index // 8] >> index % 8 & 1)
        size, read = _layout(data, position, cardinality_less_one + 1, is_run)
        yield block, _Container(cardinality_less_one + 1, _take(data, position, size), read)
        position += size
    if position != len(data):
        raise ProtocolError("a Roaring bitmap has bytes after its end")


def _read_cookie(data: memoryview) -> tuple[int, memoryview | None, int]:
    """Returns (number of containers, which of them are runs or None, position after both)."""
    (cookie,) = struct.unpack_from("<I", data)
    if cookie & 0xFFFF == COOKIE_WITH_RUNS:
        count = (cookie >> 16) + 1
        size = (count + 7) // 8
        return count, _take(data, 4, size), 4 + size
    if cookie != COOKIE_WITHOUT_RUNS:
        raise ProtocolError(f"a Roaring bitmap begins with {cookie}, which no version of the format does")
    (count,) = struct.unpack_from("<I", data, 4)
    if count > BLOCK_SIZE:
        raise ProtocolError(f"a Roaring bitmap states {count} containers; at most {BLOCK_SIZE} fit")
    return count, None, 8


def _layout(
    data: memoryview, position: int, cardinality: int, is_run: bool
) -> tuple[int, Callable[[memoryview], list[int]]]:
    """Returns a container's size in bytes and its reader."""
    if is_run:
        (runs,) = struct.unpack_from("<H", data, position)
        return 2 + 4 * runs, _read_runs
    if cardinality <= ARRAY_LENGTH_MAX:
        return 2 * cardinality, _read_array
    return BITMAP_BYTES, _read_bits


def _take(data: memoryview, position: int, size: int) -> memoryview:
    part = data[position : position + size]
    if len(part) != size:
        raise ProtocolError("a Roaring bitmap ends too early")
    return part


def _read_array(data: memoryview) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 2}H", data))


def _read_bits(data: memoryview) -> list[int]:
    digits = format(int.from_bytes(data, "little"), f"0{BLOCK_SIZE}b").encode()
    return list(compress(range(BLOCK_SIZE), digits[::-1].translate(_DIGITS_TO_BITS)))


def _read_runs(data: memoryview) -> list[int]:
    values: list[int] = []
    for start, length_less_one in struct.iter_unpack("<HH", data[2:]):
        values.extend(_run(start, length_less_one, values))
    return values


def _run(start: int, length_less_one: int, before: list[int]) -> Iterable[int]:
    """One run; refusing overlaps here keeps a container's cost below its 65,536 possible ordinals."""
    if start + length_less_one >= BLOCK_SIZE or (before and start <= before[-1]):
        raise ProtocolError("the runs of a Roaring bitmap overlap or leave their block")
    return range(start, start + length_less_one + 1)
