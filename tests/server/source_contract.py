"""What every source promises, as tests: a class of them for each source, with a harness of its own.

    class TestMine(SourceContract):
        @pytest.fixture
        def harness(self, ...) -> Iterator[Harness]: ...

The harness is the system of record as its owners use it, beside Haversack. Tests that a source cannot be put through
(it is never written to, say) are left out by the harness' flags.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from haversack.model.v1 import model_pb2
from haversack_server._core import Staging
from haversack_server.errors import Refusal, SourceRefused, SourceUnavailable
from haversack_server.metadata import merge_entity
from haversack_server.replication import Change, Feed, Source, Taken, Verdict, Written, catch_up
from server.running import LoopThread

ROWS = 40
ROWS_MAX = 7


class Harness(Protocol):
    """A system of record with one entity that has a key and an attribute of text.

    Attributes:
        entity: The entity's logical name here.
        attribute: Logical name of the attribute.
        has_metadata: Whether the source tells of its metadata; else `model` has it.
        has_writes: Whether devices' writes go to it by `Source.write`.
        has_outages: Whether `outage` can be had.
    """

    entity: str
    attribute: str
    has_metadata: bool
    has_writes: bool
    has_outages: bool

    def connect(self) -> Source:
        """Makes a source ready, as a server that starts does."""

    def model(self) -> bytes | None:
        """The model, where the source does not tell of its metadata; else None."""

    def id_of(self, number: int) -> str:
        """The id of a row, as text."""

    def put_row(self, number: int, text: str) -> None:
        """Makes a row, or changes it, behind Haversack's back."""

    def delete_row(self, number: int) -> None:
        """Deletes a row behind Haversack's back."""

    def rows(self) -> dict[str, str]:
        """The text of each row, by id."""

    def lose_position(self) -> None:
        """Has the system forget what it remembered for followers: a token expires, a slot is gone."""

    def outage(self) -> AbstractContextManager[None]:
        """The system does not answer while the block runs."""


class Follower:
    """A staging database, and what follows the source into it."""

    def __init__(self, harness: Harness, loop: LoopThread, path: Path) -> None:
        self.harness = harness
        self.loop = loop
        self.staging = Staging.create(str(path))
        self.source = harness.connect()
        self.model = harness.model() or loop.run(described_model(self.source))
        self._feed: Feed | None = None

    def close(self) -> None:
        """Closes everything."""
        self.hang_up()
        self.loop.run(self.source.close())
        self.staging.close()

    def feed(self) -> Feed:
        """The feed of the entity, or of all; opened once."""
        if self._feed is None:
            entity = self.harness.entity if self.source.scope == "entity" else ""
            self._feed = self.loop.run(self.source.open(self.staging, self.model, entity))
        return self._feed

    def hang_up(self) -> None:
        """Closes the feed."""
        feed, self._feed = self._feed, None
        if feed is not None:
            self.loop.run(feed.close())

    def begin_anew(self) -> None:
        """Does as a server that was stopped and started."""
        self.hang_up()
        self.loop.run(self.source.close())
        self.source = self.harness.connect()

    def take(self, rows_max: int = ROWS_MAX) -> Taken:
        """One commit."""
        return self.loop.run(self.feed().take(rows_max))

    def catch_up(self) -> Taken:
        """All that there is."""
        return self.loop.run(catch_up(self.feed()))

    def head(self) -> int:
        """LSN of the last change of staging."""
        return self.staging.head()

    def rows(self) -> dict[str, str]:
        """The text of each row in staging, by id."""
        found: dict[str, str] = {}
        after: int | None = None
        key = self._key()
        while True:
            _, after, lines = self.staging.rows(
                self.model,
                self.harness.entity,
                attributes=[key, self.harness.attribute],
                after=after,
                rows_max=1_000,
            )
            for line in lines.splitlines():
                row = json.loads(line)
                found[str(row[key])] = row.get(self.harness.attribute)
            if after is None:
                return found

    def check(self) -> None:
        """Staging has what the source has."""
        assert self.rows() == self.harness.rows()

    def _key(self) -> str:
        entities = model_pb2.Model.FromString(self.model).entities
        return next(it.primary_id_attribute for it in entities if it.logical_name == self.harness.entity)


async def described_model(source: Source) -> bytes:
    """Returns a model of what a source says of itself."""
    described = await source.metadata()
    merged = [merge_entity(it.entity, None, number=number) for number, it in enumerate(described.documents, 1)]
    return model_pb2.Model(entities=[it.entity for it in merged]).SerializeToString(deterministic=True)


class SourceContract:
    """The tests. `harness` is a fixture of whoever runs them."""

    @pytest.fixture
    def follower(self, harness: Harness, loop: LoopThread, tmp_path: Path) -> Iterator[Follower]:
        """A new staging database that follows the harness."""
        made = Follower(harness, loop, tmp_path / "staging.sqlite3")
        yield made
        made.close()

    def test_a_check_finds_no_failure_and_says_what_it_looked_at(self, follower: Follower) -> None:
        findings = follower.loop.run(follower.source.check()).findings
        assert findings
        assert [it for it in findings if it.verdict is Verdict.FAILURE] == []
        assert all(it.subject and it.what for it in findings)
        assert all(it.remedy for it in findings if it.verdict is Verdict.FAILURE)

    def test_a_check_tells_of_an_outage_instead_of_failing(self, follower: Follower) -> None:
        if not follower.harness.has_outages:
            pytest.skip("it cannot be out of reach")
        with follower.harness.outage():
            findings = follower.loop.run(follower.source.check()).findings
        assert any(it.verdict is Verdict.FAILURE and it.remedy for it in findings)

    def test_metadata_has_the_entity_and_is_the_same_each_time(self, follower: Follower) -> None:
        if not follower.harness.has_metadata:
            pytest.skip("its metadata is imported")
        described = follower.loop.run(follower.source.metadata())
        entities = {it.entity.logical_name: it.entity for it in described.documents}
        attributes = [it.logical_name for it in entities[follower.harness.entity].attributes]
        assert follower.harness.attribute in attributes
        again = follower.loop.run(follower.source.metadata())
        assert [it.entity for it in again.documents] == [it.entity for it in described.documents]

    def test_a_snapshot_brings_every_row(self, follower: Follower) -> None:
        fill(follower.harness, ROWS)
        taken = follower.catch_up()
        assert taken.counts.inserted == ROWS
        follower.check()

    def test_an_empty_source_is_followed(self, follower: Follower) -> None:
        assert follower.catch_up().counts.read == 0
        follower.harness.put_row(1, "first")
        until_equal(follower)

    def test_changes_and_deletions_follow(self, follower: Follower) -> None:
        fill(follower.harness, 10)
        follower.catch_up()
        follower.harness.put_row(3, "changed")
        follower.harness.delete_row(4)
        follower.harness.put_row(11, "new")
        until_equal(follower)

    def test_nothing_new_draws_no_lsn(self, follower: Follower) -> None:
        fill(follower.harness, 10)
        head = follower.catch_up().lsn
        for _ in range(2):
            taken = follower.catch_up()
            assert (taken.lsn, taken.counts.inserted, taken.counts.updated, taken.counts.deleted) == (head, 0, 0, 0)

    def test_what_was_cut_off_goes_on_where_it_was(self, follower: Follower) -> None:
        fill(follower.harness, ROWS)
        inserted = 0
        for _ in range(3):
            inserted += follower.take().counts.inserted
            follower.begin_anew()
        inserted += follower.catch_up().counts.inserted
        assert (inserted, follower.head()) == (ROWS, ROWS), "no row came twice"
        follower.check()

    def test_changes_while_nobody_looks_are_taken_afterwards(self, follower: Follower) -> None:
        fill(follower.harness, 10)
        follower.catch_up()
        follower.begin_anew()
        follower.harness.put_row(2, "changed meanwhile")
        follower.harness.delete_row(5)
        until_equal(follower)

    def test_a_lost_position_leads_to_reconciliation(self, follower: Follower) -> None:
        fill(follower.harness, 10)
        head = follower.catch_up().lsn
        follower.begin_anew()
        follower.harness.put_row(2, "changed meanwhile")
        follower.harness.delete_row(5)
        follower.harness.lose_position()
        until_equal(follower)
        assert follower.head() == head + 2, "rows that are as they were draw no LSN"

    def test_a_resync_sends_nothing_that_is_as_it_was(self, follower: Follower) -> None:
        fill(follower.harness, 10)
        head = follower.catch_up().lsn
        follower.hang_up()
        follower.loop.run(follower.source.resync(follower.staging, follower.model, follower.harness.entity))
        taken = follower.catch_up()
        assert taken.counts.unchanged == 10
        assert follower.head() == head
        follower.check()

    def test_an_outage_is_named_and_loses_nothing(self, follower: Follower) -> None:
        if not follower.harness.has_outages:
            pytest.skip("it cannot be out of reach")
        fill(follower.harness, ROWS)
        follower.take()
        follower.begin_anew()
        with follower.harness.outage(), pytest.raises(SourceUnavailable):
            follower.catch_up()
        follower.begin_anew()
        until_equal(follower)
        assert follower.head() == ROWS, "no row came twice"

    def test_what_keeps_nothing_for_us_any_more_can_be_followed_anew(self, follower: Follower) -> None:
        fill(follower.harness, 10)
        head = follower.catch_up().lsn
        follower.hang_up()
        follower.loop.run(follower.source.forget())
        assert follower.loop.run(follower.source.forget()) is not None, "whoever dies meanwhile does it again"
        follower.harness.put_row(2, "changed meanwhile")
        follower.harness.delete_row(5)
        follower.begin_anew()
        until_equal(follower)
        assert follower.head() == head + 2, "rows that are as they were draw no LSN"

    def test_what_cannot_be_let_go_of_in_an_outage_is_told(self, follower: Follower) -> None:
        if not follower.harness.has_outages:
            pytest.skip("it cannot be out of reach")
        fill(follower.harness, 1)
        follower.catch_up()
        follower.hang_up()
        with follower.harness.outage():
            told = follower.loop.run(follower.source.forget())
        assert all(told), "in sentences, and never by raising"

    def test_standing_names_the_mode(self, follower: Follower) -> None:
        fill(follower.harness, 3)
        follower.catch_up()
        assert follower.feed().standing.mode

    def test_writes_arrive_and_come_back_as_the_source_has_them(self, follower: Follower) -> None:
        harness = writable(follower)
        key = harness.id_of(1)
        made = write(follower, Change("create-1", harness.entity, key, "create", {harness.attribute: "made"}))
        assert made.row is not None
        assert json.loads(made.row)[harness.attribute] == "made"
        assert harness.rows() == {key: "made"}
        changed = Change("update-1", harness.entity, key, "update", {harness.attribute: "changed"}, etag=made.etag)
        after = write(follower, changed)
        assert harness.rows() == {key: "changed"}
        gone = write(follower, Change("delete-1", harness.entity, key, "delete", etag=after.etag))
        assert gone.row is None
        assert harness.rows() == {}

    def test_a_write_that_is_repeated_is_done_once(self, follower: Follower) -> None:
        harness = writable(follower)
        key = harness.id_of(1)
        create = Change("create-1", harness.entity, key, "create", {harness.attribute: "made"})
        first = write(follower, create)
        follower.begin_anew()
        assert write(follower, create).row is not None
        assert harness.rows() == {key: "made"}
        update = Change("update-1", harness.entity, key, "update", {harness.attribute: "changed"}, etag=first.etag)
        write(follower, update)
        follower.begin_anew()
        write(follower, update)
        assert harness.rows() == {key: "changed"}
        delete = Change("delete-1", harness.entity, key, "delete")
        write(follower, delete)
        assert write(follower, delete).row is None

    def test_what_is_looked_for_is_told_and_never_written(self, follower: Follower) -> None:
        harness = writable(follower)
        key = harness.id_of(1)
        create = Change("create-1", harness.entity, key, "create", {harness.attribute: "made"})
        assert not write(follower, replace(create, looks_for="sent")).found
        assert harness.rows() == {}
        write(follower, create)
        assert write(follower, replace(create, looks_for="sent")).found
        harness.put_row(1, "somebody else's")
        found = write(follower, replace(create, looks_for="taken"))
        assert found.found
        assert found.row is not None
        assert harness.rows() == {key: "somebody else's"}
        harness.delete_row(1)
        assert write(follower, replace(create, looks_for="taken")) == Written(None)
        assert harness.rows() == {}

    def test_a_write_over_another_version_is_a_conflict(self, follower: Follower) -> None:
        harness = writable(follower)
        key = harness.id_of(1)
        made = write(follower, Change("create-1", harness.entity, key, "create", {harness.attribute: "made"}))
        harness.put_row(1, "somebody else's")
        late = Change(
            "update-1",
            harness.entity,
            key,
            "update",
            {harness.attribute: "mine"},
            old_values={harness.attribute: "made"},
            etag=made.etag,
        )
        with pytest.raises(SourceRefused) as refused:
            write(follower, late)
        assert refused.value.outcome is Refusal.CONFLICT
        assert str(refused.value)
        assert harness.rows() == {key: "somebody else's"}

    def test_a_write_to_a_row_that_is_not_there_is_refused(self, follower: Follower) -> None:
        harness = writable(follower)
        missing = Change("update-1", harness.entity, harness.id_of(9), "update", {harness.attribute: "x"})
        with pytest.raises(SourceRefused) as refused:
            write(follower, missing)
        assert refused.value.outcome is Refusal.NOT_FOUND
        assert harness.rows() == {}

    def test_a_write_during_an_outage_is_to_be_tried_again(self, follower: Follower) -> None:
        harness = writable(follower)
        create = Change("create-1", harness.entity, harness.id_of(1), "create", {harness.attribute: "made"})
        if not harness.has_outages:
            pytest.skip("it cannot be out of reach")
        with harness.outage(), pytest.raises(SourceUnavailable):
            write(follower, create)
        follower.begin_anew()
        write(follower, create)
        assert harness.rows() == {harness.id_of(1): "made"}


def fill(harness: Harness, count: int) -> None:
    """Makes rows 1 to `count`."""
    for number in range(1, count + 1):
        harness.put_row(number, f"row {number}")


def until_equal(follower: Follower) -> None:
    """Takes until staging has what the source has; a live feed may need a moment to hear of it."""
    for _ in range(100):
        follower.catch_up()
        if follower.rows() == follower.harness.rows():
            return
    follower.check()


def writable(follower: Follower) -> Harness:
    """Returns the harness, or skips the test if its source is not written to."""
    if not follower.harness.has_writes:
        pytest.skip("nothing is written to it in this way")
    return follower.harness


def write(follower: Follower, change: Change) -> Written:
    """Writes."""
    return follower.loop.run(follower.source.write(change))
