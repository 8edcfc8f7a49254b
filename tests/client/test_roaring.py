"""Our Roaring bitmaps are those of CRoaring, and hostile ones are refused at a bounded cost."""

import struct

import pytest
from haversack_client import ProtocolError
from haversack_client._roaring import BLOCK_SIZE, Bitmap, encode_block
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

RANGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 90_000), st.sampled_from([1, 1, 2, 3, 7])), max_size=6
)


def members(bitmap: Bitmap) -> list[int]:
    return [ordinal for block in bitmap.blocks() for ordinal in bitmap.ordinals(block)]


def oracle(ranges: list[tuple[int, int, int]]) -> BitMap:
    bitmap = BitMap()
    for start, length, step in ranges:
        bitmap |= BitMap(range(start, min(start + length * step, 2**32), step))
    return bitmap


@settings(deadline=None)
@given(RANGES, st.booleans())
def test_reads_what_croaring_writes(ranges: list[tuple[int, int, int]], runs: bool) -> None:
    expected = oracle(ranges)
    if runs:
        expected.run_optimize()
    read = Bitmap(expected.serialize())
    assert len(read) == len(expected)
    assert members(read) == list(expected)


@settings(deadline=None)
@given(st.sets(st.integers(0, BLOCK_SIZE - 1), max_size=300), st.integers(0, BLOCK_SIZE - 1))
def test_croaring_reads_what_we_write(low: set[int], block: int) -> None:
    ordinals = sorted((block << 16) + value for value in low)
    assert list(BitMap.deserialize(encode_block(block, ordinals))) == ordinals


@pytest.mark.parametrize("count", [1, 4096, 4097, 65535, 65536])
@pytest.mark.parametrize("block", [0, 1, 65535])
def test_containers_of_both_kinds(count: int, block: int) -> None:
    ordinals = [(block << 16) + value for value in range(count)]
    written = encode_block(block, ordinals)
    assert list(BitMap.deserialize(written)) == ordinals
    assert members(Bitmap(written)) == ordinals
    assert len(written) <= 16 * 1024, "an inventory's limit"


def test_no_ordinals() -> None:
    assert members(Bitmap(b"")) == []
    assert members(Bitmap(encode_block(3, []))) == []
    assert Bitmap(encode_block(3, [3 << 16])).ordinals(4) == []


@settings(deadline=None)
@given(RANGES, st.data())
def test_damaged_bitmaps_are_refused_or_read_within_bounds(
    ranges: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    whole = bytearray(oracle(ranges).serialize())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        read = Bitmap(cut)
        for block in read.blocks()[:4]:
            assert len(read.ordinals(block)) <= BLOCK_SIZE
    except ProtocolError:
        pass


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    try:
        Bitmap(data)
    except ProtocolError:
        pass


def test_every_ordinal_there_is_costs_nothing_until_asked_for() -> None:
    everything = BitMap(range(0, 2**32))
    everything.run_optimize()
    read = Bitmap(everything.serialize())
    assert len(read) == 2**32
    assert read.ordinals(65535) == list(range(65535 << 16, 2**32))


def container(block: int, cardinality: int, body: bytes, *, runs: bool = False) -> bytes:
    if runs:
        header = struct.pack("<IB", 12347, 1)
        return header + struct.pack("<HH", block, cardinality - 1) + body
    return struct.pack("<II", 12346, 1) + struct.pack("<HHI", block, cardinality - 1, 16) + body


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack("<I", 1), id="no cookie of the format"),
        pytest.param(struct.pack("<II", 12346, 65537), id="more containers than blocks"),
        pytest.param(struct.pack("<II", 12346, 1), id="nothing after the cookie"),
        pytest.param(b"\x3a", id="half a cookie"),
        pytest.param(container(0, 2, struct.pack("<H", 1)), id="array too short"),
        pytest.param(container(0, 1, struct.pack("<HH", 1, 2)), id="bytes after the end"),
        pytest.param(
            struct.pack("<IIHHHHII", 12346, 2, 5, 0, 5, 0, 24, 26) + struct.pack("<HH", 1, 2), id="one block twice"
        ),
    ],
)
def test_malformed_from_the_start(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Bitmap(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(container(0, 2, struct.pack("<HH", 2, 1)), id="array not ascending"),
        pytest.param(container(0, 2, struct.pack("<HH", 1, 1)), id="one value twice"),
        pytest.param(container(0, 5000, bytes(8192)), id="bitmap emptier than stated"),
        pytest.param(container(0, 4, struct.pack("<HHHHH", 2, 0, 1, 1, 1), runs=True), id="runs overlap"),
        pytest.param(container(0, 3, struct.pack("<HHH", 1, 65535, 2), runs=True), id="run leaves its block"),
        pytest.param(container(0, 9, struct.pack("<HHH", 1, 0, 2), runs=True), id="runs shorter than stated"),
    ],
)
def test_containers_that_contradict_themselves(data: bytes) -> None:
    read = Bitmap(data)
    with pytest.raises(ProtocolError):
        read.ordinals(0)
