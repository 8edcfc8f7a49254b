"""Digests are the sums that the server makes."""

from haversack_client._digest import LANES_MAX, SEED, WORD_MASK, membership_sum, version_sum
from hypothesis import given, settings
from hypothesis import strategies as st

# docs/sync-protocol.md, "Digests", and others from the server's implementation, core_rs/engine/src/digest.rs.
VECTORS = [
    (0, 0, 0, 0xE220A8397B1DCDAF, 0x48218226FF3CD4BF),
    (1, 0, 1, 0xC42C5A1AA3820138, 0xBFF505763B60AD4E),
    (7, 65536, 123456789, 0xEC95688F82F688F0, 0xAEA2F7AE30D17E6C),
    (4294967295, 4294967295, 9223372036854775807, 0xE4D971771B652C20, 0x4CAA92F1472D6FE8),
    (1, 1, 1, 0x204391A6FD59956F, 0x7B863400BC026A40),
    (2, 0, 1, 0xE7B25AD27BCCB532, 0xA3BC55F3B7748510),
    (7, 70000, 12, 0x0544C72C50173B62, 0x493CC28F42031393),
    (4294967295, 4294967295, 18446744073709551615, 0xE4D971771B652C20, 0x2DFE1AA565B7FF81),
    (3, 4294967295, 4611686018427387904, 0x49C147A4B32B2067, 0x8B7FB03D1DD96E55),
]

ROWS = st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1), max_size=50)


def mix(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & WORD_MASK
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & WORD_MASK
    return word ^ (word >> 31)


def membership_hash(entity: int, ordinal: int) -> int:
    return mix(((entity << 32 | ordinal) + SEED) & WORD_MASK)


def version_hash(entity: int, ordinal: int, lsn: int) -> int:
    return mix((membership_hash(entity, ordinal) + lsn * SEED) & WORD_MASK)


def test_vectors_of_the_server() -> None:
    for entity, ordinal, lsn, membership, version in VECTORS:
        assert membership_sum(entity, [ordinal]) == membership
        assert version_sum(entity, [ordinal], [lsn]) == version
    assert membership_sum(1, [0, 1, 2]) == 0x97E0269A352C06C9
    assert version_sum(1, [0, 1, 2], [1, 2, 3]) == 0xCB582157050D6CFB


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), ROWS)
def test_lanes_agree_with_hashes_made_one_by_one(entity: int, rows: dict[int, int]) -> None:
    ordinals, lsns = list(rows), list(rows.values())
    assert membership_sum(entity, ordinals) == sum(membership_hash(entity, it) for it in ordinals) & WORD_MASK
    assert version_sum(entity, ordinals, lsns) == sum(version_hash(entity, *it) for it in rows.items()) & WORD_MASK


def test_sums_over_more_rows_than_lanes() -> None:
    for count in (0, 1, LANES_MAX - 1, LANES_MAX, LANES_MAX + 1, 3 * LANES_MAX + 7):
        ordinals = list(range(count))
        lsns = [1000 + ordinal for ordinal in ordinals]
        expected = sum(version_hash(7, *it) for it in zip(ordinals, lsns, strict=True)) & WORD_MASK
        assert version_sum(7, ordinals, lsns) == expected


@settings(deadline=None)
@given(ROWS, ROWS)
def test_sums_of_parts_are_the_sum(first: dict[int, int], second: dict[int, int]) -> None:
    second = {ordinal: lsn for ordinal, lsn in second.items() if ordinal not in first}
    whole = first | second
    parts = version_sum(5, list(first), list(first.values())) + version_sum(5, list(second), list(second.values()))
    assert version_sum(5, list(whole), list(whole.values())) == parts & WORD_MASK
