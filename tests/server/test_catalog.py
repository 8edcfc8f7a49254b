"""The catalog: its schema comes from migrations alone, and its queries keep what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from haversack.model.v1 import model_pb2
from haversack_server.catalog import Catalog, _tables, entities, organizations, profiles, publishes
from haversack_server.catalog._catalog import migrate
from haversack_server.catalog.entities import StoredEntity
from haversack_server.catalog.publishes import Publish
from haversack_server.errors import EntityUnknown, OrganizationExists, OrganizationUnknown, ProfileUnknown
from server.running import LoopThread
from sqlalchemy import Engine, create_engine, insert, inspect, make_url
from sqlalchemy.exc import IntegrityError

ACME = organizations.Organization("acme", model_pb2.Settings(time_zone="Europe/Vienna"), "acme.sqlite3", 0)


@pytest.fixture
def catalog(catalog_url: str, loop: LoopThread) -> Iterator[Catalog]:
    opened = loop.run(Catalog.open(catalog_url))
    yield opened
    loop.run(opened.close())


@pytest.fixture
def engine(catalog_url: str) -> Iterator[Engine]:
    url = make_url(catalog_url)
    driver = "postgresql+psycopg" if url.get_backend_name() == "postgresql" else "sqlite"
    made = create_engine(url.set(drivername=driver))
    yield made
    made.dispose()


def test_migrations_make_exactly_the_tables_from_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), _tables.metadata) == []
        for table in _tables.metadata.tables.values():
            found = {it["name"]: it["nullable"] for it in inspect(connection).get_columns(table.name)}
            assert found == {column.name: column.nullable for column in table.columns}, table.name


def test_migrating_again_changes_nothing_and_keeps_the_data(engine: Engine) -> None:
    row = {"name": "acme", "settings": b"", "record_path": "", "last_entity_number": 3, "created_at_us": 4}
    row |= {"kind": "TRIAL", "region": "north"}
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(insert(_tables.organization).values(row))
    with engine.begin() as connection:
        migrate(connection)
        assert connection.execute(_tables.organization.select()).one()._asdict() == row


def test_a_block_that_raises_leaves_nothing_behind(loop: LoopThread, catalog: Catalog) -> None:
    async def fail() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            raise InterruptedError

    async def names() -> list[str]:
        async with catalog.begin() as connection:
            return [it.name for it in await organizations.all_by_name(connection)]

    with pytest.raises(InterruptedError):
        loop.run(fail())
    assert loop.run(names()) == []


def test_organizations_have_one_name(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            await organizations.set_last_entity_number(connection, "acme", 5)
            found = await organizations.find(connection, "acme", for_update=True)
            assert (found.settings, found.last_entity_number) == (ACME.settings, 5)
            with pytest.raises(OrganizationUnknown):
                await organizations.find(connection, "nobody")
        with pytest.raises(OrganizationExists):
            async with catalog.begin() as connection:
                await organizations.add(connection, ACME, at_us=2)

    loop.run(check())


def test_entities_and_relationships_are_replaced_document_by_document(loop: LoopThread, catalog: Catalog) -> None:
    def link(name: str) -> model_pb2.Relationship:
        return model_pb2.Relationship(schema_name=name, one_to_many=model_pb2.OneToMany(referenced_entity=name))

    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            await entities.put(connection, "acme", StoredEntity(model_pb2.Entity(number=2, logical_name="b"), 9))
            await entities.put(connection, "acme", StoredEntity(model_pb2.Entity(number=1, logical_name="a"), 9))
            changed = StoredEntity(model_pb2.Entity(number=2, logical_name="b", schema_name="B"), 10, True, "<filter/>")
            await entities.put(connection, "acme", changed)
            await entities.put_relationships(connection, "acme", "a", [link("x"), link("y")])
            await entities.put_relationships(connection, "acme", "b", [link("x")])
            await entities.put_relationships(connection, "acme", "a", [link("z")])
            assert list(await entities.all_by_name(connection, "acme")) == ["a", "b"]
            assert await entities.find(connection, "acme", "b") == changed
            listed = await entities.relationships_by_document(connection, "acme")
            assert listed == {"a": [link("z")], "b": [link("x")]}
            with pytest.raises(EntityUnknown):
                await entities.find(connection, "acme", "c")

    loop.run(check())


def test_the_latest_revision_of_each_profile_is_found(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            for name in ("north", "south", "draft"):
                await profiles.put_draft(connection, "acme", model_pb2.Profile(name=name))
            await profiles.put_draft(connection, "acme", model_pb2.Profile(name="north", priority=4))
            for name, number in (("north", 9), ("north", 10), ("south", 1)):
                frozen = model_pb2.Profile(name=name, revision=number)
                await profiles.add_revision(connection, "acme", frozen, at_us=1)
            latest = await profiles.latest_revisions(connection, "acme")
            assert {name: it.revision for name, it in latest.items()} == {"north": 10, "south": 1}
            assert (await profiles.find_draft(connection, "acme", "north")).priority == 4
            assert list(await profiles.drafts_by_name(connection, "acme")) == ["draft", "north", "south"]
            with pytest.raises(ProfileUnknown):
                await profiles.find_draft(connection, "acme", "west")

    loop.run(check())


def test_a_publish_counts_once_it_has_its_lsn(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            await profiles.put_draft(connection, "acme", model_pb2.Profile(name="north"))
            publish = Publish("acme", "north", model_pb2.Model(revision=1), 77)
            await publishes.add(connection, publish)
            assert await publishes.latest_revision(connection, "acme") == 0
            assert await publishes.incomplete(connection, "acme") == [publish]
            await publishes.complete(connection, publish, lsn=5)
            assert await publishes.latest_revision(connection, "acme") == 1
            assert await publishes.incomplete(connection, "acme") == []

    loop.run(check())


def test_foreign_keys_hold(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await profiles.put_draft(connection, "nobody", model_pb2.Profile(name="north"))

    with pytest.raises(IntegrityError):
        loop.run(check())


def test_transactions_that_read_and_then_write_do_not_overtake_each_other(loop: LoopThread, catalog: Catalog) -> None:
    """Twenty concurrent increments, each a read and a write, over the engine's own pool of connections."""

    async def increment() -> None:
        async with catalog.begin() as connection:
            found = await organizations.find(connection, "acme", for_update=True)
            await organizations.set_last_entity_number(connection, "acme", found.last_entity_number + 1)

    async def check() -> int:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
        await asyncio.gather(*(increment() for _ in range(20)))
        async with catalog.begin() as connection:
            return (await organizations.find(connection, "acme")).last_entity_number

    assert loop.run(check()) == 20
