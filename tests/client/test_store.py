"""The database holds what it was told, its digests are those of its rows, and a transaction is all or nothing."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from client.wire import ACCOUNT, CONTACT, Attribute, Entity, batch, model, row_id
from haversack.model.v1 import model_pb2
from haversack_client import FencedError, StoreError
from haversack_client import _tables as sql
from haversack_client._digest import membership_sum, version_sum
from haversack_client._held import BlockState, EntityState
from haversack_client._model import CarriedModel
from haversack_client._operations import (
    AdoptModel,
    BuildIndexes,
    ExpectRows,
    KeepCookie,
    Operation,
    PutRows,
    RemoveRows,
    StartEpoch,
)
from haversack_client._reader import open_read_only, read_status
from haversack_client._roaring import Bitmap
from haversack_client._rows import RowDecoder
from haversack_client._store import Changes, Store
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pyroaring import BitMap

BOTH = CarriedModel.from_message(model(CONTACT, ACCOUNT))
DECODER = RowDecoder(BOTH)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as opened:
        opened.begin_session()
        opened.commit([AdoptModel(BOTH)])
        yield opened


def put(entity: Entity, versions: Mapping[int, int]) -> PutRows:
    return PutRows(entity.number, DECODER.decode(batch(entity, versions).rows))


def bitmap(ordinals: Sequence[int]) -> Bitmap:
    return Bitmap(BitMap(ordinals).serialize())


def held(path: Path, entity: Entity) -> dict[int, int]:
    """Ordinal to LSN, as the rows have it."""
    with closing(open_read_only(path)) as connection:
        return {row[0]: row[1] for row in connection.execute(f'SELECT _ordinal, _lsn FROM "{entity.name}"')}


def state(entity: Entity, versions: Mapping[int, int]) -> EntityState:
    digest = version_sum(entity.number, list(versions), list(versions.values()))
    return EntityState(len(versions), digest)


def test_a_new_database(path: Path) -> None:
    with closing(Store(path)) as store:
        first = store.facts()
        assert len(first.install_id) == 16
        assert (first.cookie, first.epoch, store.model, store.blocks(), store.entities()) == (b"", b"", None, {}, {})
    with closing(Store(path)) as again:
        assert again.facts().install_id == first.install_id


def test_rows_are_read_by_plain_sql(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10, 2: 20})])
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name FROM account WHERE accountid > '' ORDER BY _ordinal").fetchall()
    assert rows == [("v10",), ("v20",)]


def test_a_row_is_replaced_by_its_newer_version(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10, 2: 20, 70_000: 5})])
    store.commit([put(ACCOUNT, {2: 30, 3: 31})])
    assert held(path, ACCOUNT) == {1: 10, 2: 30, 3: 31, 70_000: 5}
    assert store.entities()[ACCOUNT.number] == state(ACCOUNT, {1: 10, 2: 30, 3: 31, 70_000: 5})
    assert store.blocks()[ACCOUNT.number] == [
        BlockState(0, 3, membership_sum(ACCOUNT.number, [1, 2, 3])),
        BlockState(1, 1, membership_sum(ACCOUNT.number, [70_000])),
    ]
    assert store.ordinals(ACCOUNT.number, 0) == [1, 2, 3]
    assert store.ordinals(ACCOUNT.number, 1) == [70_000]
    assert store.ordinals(99, 0) == []


def test_a_newer_version_takes_back_what_it_no_longer_has(store: Store, path: Path) -> None:
    for lsn, row in enumerate([{"name": "a", "revenue": "7"}, {"revenue": "8"}], start=1):
        event = batch(ACCOUNT, {1: lsn}, [{"accountid": row_id(1), **row}])
        store.commit([PutRows(ACCOUNT.number, DECODER.decode(event.rows))])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name, revenue FROM account").fetchall() == [(None, "8")]


def test_removals_of_rows_that_are_not_held_are_ignored(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10, 2: 20, 70_000: 5})])
    changes = store.commit([RemoveRows(ACCOUNT.number, bitmap([2, 3, 70_000, 2**32 - 1]))])
    assert changes == {ACCOUNT.number: Changes(written=0, removed=2)}
    assert held(path, ACCOUNT) == {1: 10}
    assert store.entities()[ACCOUNT.number] == state(ACCOUNT, {1: 10})
    assert [block.block for block in store.blocks()[ACCOUNT.number]] == [0]
    assert store.commit([RemoveRows(99, bitmap([1]))]) == {}


def test_removals_of_all(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10, 2: 20}), put(CONTACT, {1: 11})])
    assert store.commit([RemoveRows(ACCOUNT.number, None)]) == {ACCOUNT.number: Changes(removed=2)}
    assert held(path, ACCOUNT) == {}
    assert store.entities() == {ACCOUNT.number: EntityState(0, 0), CONTACT.number: state(CONTACT, {1: 11})}
    assert list(store.blocks()) == [CONTACT.number]


def test_a_new_epoch_deletes_every_row(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10, 2: 20}), put(CONTACT, {1: 11}), StartEpoch(b"a")])
    assert store.facts().epoch == b"a"
    assert held(path, ACCOUNT) == held(path, CONTACT) == {}
    assert (store.blocks(), set(store.entities().values())) == ({}, {EntityState(0, 0)})


def test_the_whole_range_of_ordinals_in_a_removal_costs_only_what_is_held(store: Store, path: Path) -> None:
    everything = BitMap(range(2**32))
    everything.run_optimize()
    store.commit([put(ACCOUNT, {1: 10, 2**32 - 1: 20})])
    store.commit([RemoveRows(ACCOUNT.number, Bitmap(everything.serialize()))])
    assert held(path, ACCOUNT) == {}


def test_batch_and_cookie_are_one_transaction(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10}), KeepCookie(b"first")])
    clash = put(ACCOUNT, {5: 50})
    decoded = DECODER.decode(batch(ACCOUNT, {6: 60}, [{"accountid": row_id(5)}]).rows)
    store.commit([BuildIndexes({ACCOUNT.number})])
    with pytest.raises(StoreError, match="UNIQUE"):
        store.commit([KeepCookie(b"second"), clash, PutRows(ACCOUNT.number, decoded)])
    assert store.facts().cookie == b"first"
    assert held(path, ACCOUNT) == {1: 10}
    assert store.entities()[ACCOUNT.number] == state(ACCOUNT, {1: 10})
    store.commit([put(ACCOUNT, {6: 60}), KeepCookie(b"third")])
    assert read_status(path, verify=True).verified


def test_a_failed_migration_leaves_the_old_model(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10}), BuildIndexes({ACCOUNT.number})])
    clash = DECODER.decode(batch(ACCOUNT, {6: 60}, [{"accountid": row_id(1)}]).rows)
    with pytest.raises(StoreError):
        store.commit([AdoptModel(CarriedModel.from_message(model(ACCOUNT))), PutRows(ACCOUNT.number, clash)])
    assert store.model == BOTH
    store.commit([put(CONTACT, {1: 10}), put(ACCOUNT, {2: 20})])
    assert read_status(path, verify=True).verified


def indexes(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '_haversack_id_%'")
        }


def test_ids_are_indexed_once_rows_are_complete(store: Store, path: Path) -> None:
    store.commit([ExpectRows(ACCOUNT.number, 3), put(ACCOUNT, {1: 10, 2: 20})])
    assert indexes(path) == set()
    store.commit([BuildIndexes({ACCOUNT.number, CONTACT.number})])
    assert indexes(path) == {"_haversack_id_account", "_haversack_id_contact"}
    store.commit([ExpectRows(ACCOUNT.number, 2), put(ACCOUNT, {3: 30})])
    assert indexes(path) == {"_haversack_id_account", "_haversack_id_contact"}
    store.commit([ExpectRows(ACCOUNT.number, 4)])
    assert indexes(path) == {"_haversack_id_contact"}


def test_an_interrupted_download_is_indexed_by_the_next_process(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10})])
    store.close()
    with closing(Store(path)) as again:
        again.begin_session()
        again.commit([BuildIndexes({ACCOUNT.number})])
    assert indexes(path) == {"_haversack_id_account"}


def test_a_session_of_another_process_fences_this_one(store: Store, path: Path) -> None:
    with closing(Store(path)) as other:
        other.begin_session()
        with pytest.raises(FencedError):
            store.commit([KeepCookie(b"mine")])
        other.commit([KeepCookie(b"theirs")])
    assert store.facts().cookie == b"theirs"


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")


def newer(path: Path) -> None:
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {sql.FORMAT_VERSION + 1}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "not a Haversack device's"),
        (newer, "update the library"),
        (lambda path: path.write_bytes(b"not a database, but long enough to look" * 30), "not a database"),
        (lambda path: path.mkdir(), "unable to open"),
    ],
)
def test_files_that_are_no_device(path: Path, make: Callable[[Path], object], message: str) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError, match=message):
        Store(path)
    assert not path.is_file() or path.read_bytes() == before, "a file that is not ours stays as it was"


def test_readers_cannot_write(store: Store, path: Path) -> None:
    store.commit([put(ACCOUNT, {1: 10})])
    with closing(open_read_only(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM account")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE account SET _lsn = 21 WHERE _ordinal = 2",
        "UPDATE account SET _ordinal = 4 WHERE _ordinal = 3",
        "DELETE FROM account WHERE _ordinal = 3",
        "UPDATE _haversack_block SET membership = membership + 1 WHERE entity = 7",
    ],
)
def test_verification_finds_what_was_changed_behind_the_back(store: Store, path: Path, damage: str) -> None:
    store.commit([put(ACCOUNT, {1: 10, 2: 20, 3: 30}), put(CONTACT, {1: 11})])
    assert read_status(path, verify=True).verified is True
    assert read_status(path, verify=False).verified is None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        assert read_status(path, verify=True).verified is True, "not committed yet"
        connection.commit()
    status = read_status(path, verify=True)
    assert {entity.name: entity.verified for entity in status.entities} == {"contact": True, "account": False}
    assert status.verified is False


ORDINALS = st.sampled_from([0, 1, 2, 3, 65_535, 65_536, 65_537, 131_072, 2**32 - 1])
VERSIONS = st.dictionaries(ORDINALS, st.integers(1, 2**62), min_size=1).map(lambda rows: dict(sorted(rows.items())))


class StoreAgainstDictionary(RuleBasedStateMachine):
    """Whatever is put and removed, the database is a dictionary of versions and its digests are theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(Path(":memory:"))
        self.store.begin_session()
        self.store.commit([AdoptModel(BOTH)])
        self.expected: dict[int, int] = {}

    def teardown(self) -> None:
        self.store.close()

    def commit(self, operation: Operation) -> Changes:
        return self.store.commit([operation])[ACCOUNT.number]

    @rule(versions=VERSIONS)
    def puts(self, versions: dict[int, int]) -> None:
        assert self.commit(put(ACCOUNT, versions)) == Changes(written=len(versions))
        self.expected |= versions

    @rule(ordinals=st.lists(ORDINALS))
    def removes(self, ordinals: list[int]) -> None:
        gone = self.expected.keys() & set(ordinals)
        assert self.commit(RemoveRows(ACCOUNT.number, bitmap(ordinals))) == Changes(removed=len(gone))
        for ordinal in gone:
            del self.expected[ordinal]

    @rule()
    def removes_all(self) -> None:
        assert self.commit(RemoveRows(ACCOUNT.number, None)) == Changes(removed=len(self.expected))
        self.expected = {}

    @rule()
    def indexes(self) -> None:
        self.store.commit([BuildIndexes({ACCOUNT.number})])

    @invariant()
    def holds_what_it_was_told(self) -> None:
        assert self.store.entities()[ACCOUNT.number] == state(ACCOUNT, self.expected)
        blocks: dict[int, list[int]] = {}
        for ordinal in sorted(self.expected):
            blocks.setdefault(ordinal >> 16, []).append(ordinal)
        assert self.store.blocks().get(ACCOUNT.number, []) == [
            BlockState(block, len(members), membership_sum(ACCOUNT.number, members))
            for block, members in blocks.items()
        ]
        for block, members in blocks.items():
            assert self.store.ordinals(ACCOUNT.number, block) == members


TestStoreAgainstDictionary = StoreAgainstDictionary.TestCase
TestStoreAgainstDictionary.settings = settings(deadline=None, max_examples=60, stateful_step_count=20)


def test_a_table_with_only_an_id_can_be_written_twice(path: Path) -> None:
    slim = Entity(3, "group", (Attribute(1, "order", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),))
    carried = CarriedModel.from_message(model(slim))
    with closing(Store(path)) as store:
        store.begin_session()
        store.commit([AdoptModel(carried)])
        for lsn in (10, 20):
            rows = batch(slim, {1: lsn}, [{"order": row_id(1)}]).rows
            store.commit([PutRows(slim.number, RowDecoder(carried).decode(rows)), BuildIndexes({slim.number})])
    assert held(path, slim) == {1: 20}
