"""Digests: 64-bit sums of mixed hashes that prove two sets equal (docs/sync-protocol.md, "Digests").

A hash takes six multiplications and shifts of 64-bit words, which Python does one object at a time. So rows are hashed
thousands at once: their words are laid side by side in one large integer, each in a lane of 128 bits. A product of two
64-bit words fits its lane and never spills into the next one; after each step a mask cuts the lanes back to 64 bits.
"""

import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache

SEED = 0x9E37_79B9_7F4A_7C15
"""2^64 divided by the golden ratio; keeps row 0 of entity 0 from hashing to zero."""

WORD_MASK = (1 << 64) - 1
LANE_BYTES = 16
LANES_MAX = 1024
"""Rows hashed at once: enough to hide Python's overhead, few enough to stay in the processor's cache."""

FIRST_FACTOR = 0xBF58_476D_1CE4_E5B9
SECOND_FACTOR = 0x94D0_49BB_1331_11EB


def membership_sum(entity: int, ordinals: Sequence[int]) -> int:
    """Sums the hashes of "this row is held" over rows of one entity, modulo 2^64."""
    total = 0
    for start in range(0, len(ordinals), LANES_MAX):
        part = ordinals[start : start + LANES_MAX]
        total += _sum_of_lanes(_membership_lanes(entity, part), len(part))
    return total & WORD_MASK


def version_sum(entity: int, ordinals: Sequence[int], lsns: Sequence[int]) -> int:
    """Sums the hashes of "this row is held in the version of this LSN" over rows of one entity, modulo 2^64."""
    total = 0
    for start in range(0, len(ordinals), LANES_MAX):
        part = ordinals[start : start + LANES_MAX]
        versions = _lanes(lsns[start : start + LANES_MAX]) * SEED
        mask = _ones(len(part)) * WORD_MASK
        total += _sum_of_lanes(_mix((_membership_lanes(entity, part) + versions) & mask, mask), len(part))
    return total & WORD_MASK


def _membership_lanes(entity: int, ordinals: Sequence[int]) -> int:
    ones = _ones(len(ordinals))
    mask = ones * WORD_MASK
    seeded = _lanes(ordinals) + ones * (((entity << 32) + SEED) & WORD_MASK)
    return _mix(seeded & mask, mask)


def _mix(lanes: int, mask: int) -> int:
    """The finalizer of SplitMix64 in every lane. A shifted word leaks into its neighbour, hence the masks."""
    lanes = ((lanes ^ ((lanes >> 30) & mask)) * FIRST_FACTOR) & mask
    lanes = ((lanes ^ ((lanes >> 27) & mask)) * SECOND_FACTOR) & mask
    return lanes ^ ((lanes >> 31) & mask)


@lru_cache(maxsize=64)
def _ones(count: int) -> int:
    """The number one in each of `count` lanes."""
    return int.from_bytes((b"\x01" + bytes(LANE_BYTES - 1)) * count, "little")


def _lanes(words: Sequence[int]) -> int:
    """Lays 64-bit words into lanes; the first is the lowest."""
    spread = array("Q", bytes(LANE_BYTES * len(words)))
    spread[::2] = array("Q", words)
    return int.from_bytes(_little_endian(spread).tobytes(), "little")


def _sum_of_lanes(lanes: int, count: int) -> int:
    words = array("Q", lanes.to_bytes(LANE_BYTES * count, "little"))
    return sum(_little_endian(words)[::2])


def _little_endian(words: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        words.byteswap()
    return words
