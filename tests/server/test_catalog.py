"""The catalog: its schema comes from migrations alone, and its queries keep what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from haversack.model.v1 import model_pb2
from haversack_server.catalog import Catalog, _tables, apps, entities, organizations, profiles, publishes
from haversack_server.catalog._catalog import migrate
from haversack_server.catalog.entities import StoredEntity
from haversack_server.catalog.publishes import Publish, PublishKind
from haversack_server.errors import (
    AppUnknown,
    EntityUnknown,
    OrganizationExists,
    OrganizationUnknown,
    ProfileUnknown,
    RevisionUnknown,
)
from server.running import LoopThread
from sqlalchemy import Connection, Engine, create_engine, insert, inspect, make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

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


def test_what_was_published_before_revisions_had_authors_is_followed_still(engine: Engine) -> None:
    def fill(connection: Connection, table: str, *rows: Mapping[str, Any]) -> None:
        for row in rows:
            columns = ", ".join(row)
            values = ", ".join(f":{it}" for it in row)
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)

    acme: dict[str, Any] = {"organization": "acme"}
    with engine.begin() as connection:
        migrate(connection, "0001")
        made = {"name": "acme", "settings": b"", "staging_path": "", "last_entity_number": 1, "created_at_us": 1}
        fill(connection, "organization", made)
        entity = {"number": 1, "logical_name": "a", "metadata": b"", "last_attribute_number": 1, "offline": True}
        fill(connection, "entity", acme | entity | {"organization_filter": ""})
        fill(connection, "profile", *(acme | {"name": it, "draft": b""} for it in ("north", "south")))
        revisions = [acme | {"profile": "north", "number": it, "content": b"", "published_at_us": it} for it in (1, 2)]
        fill(connection, "profile_revision", *revisions)
        publish = {"revision": 1, "profile": "north", "model": b"", "started_at_us": 1, "lsn": 5}
        fill(connection, "publish", acme | publish)
    with engine.begin() as connection:
        migrate(connection)
        found = {it.name: it for it in connection.execute(_tables.profile.select())}
        assert (found["north"].published, found["south"].published) == (2, None)
        assert (found["north"].draft_version, found["north"].draft_author) == (1, "")
        [kept] = connection.execute(_tables.publish.select())
        assert (kept.kind, kept.profile, kept.lsn, kept.note) == ("profile", "north", 5, "")
        assert connection.execute(_tables.entity.select()).one().mobile is True


def test_organizations_from_before_provisioning_keep_their_rows_and_are_not_provisioned(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection, "0001")
        old = "INSERT INTO organization VALUES ('acme', '', 'organizations/acme/staging.sqlite3', 3, 4)"
        connection.execute(text(old))
        migrate(connection)
        migrated = connection.execute(_tables.organization.select()).one()
        assert (migrated.record_path, migrated.kind) == ("organizations/acme/staging.sqlite3", "PRODUCTION")
        states = connection.execute(text("SELECT organization, state_number, state, staging_path FROM provisioning"))
        assert [tuple(row) for row in states] == [("acme", 0, "NOT_PROVISIONED", None)]


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


def test_the_revision_that_devices_follow_is_found(loop: LoopThread, catalog: Catalog) -> None:
    async def put(connection: AsyncConnection, draft: model_pb2.Profile) -> None:
        await profiles.put_draft(connection, "acme", draft, author="ann", at_us=7)

    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            for name in ("north", "south", "draft"):
                await put(connection, model_pb2.Profile(name=name))
            await put(connection, model_pb2.Profile(name="north", priority=4))
            for name, number, at_us in (("north", 9, 1), ("north", 10, 2), ("south", 1, 3)):
                frozen = model_pb2.Profile(name=name, revision=number)
                revision = profiles.Revision(frozen, author="bob", note="why", at_us=at_us)
                await profiles.add_revision(connection, "acme", revision)
                await profiles.set_published(connection, "acme", name, number)
            followed = await profiles.published(connection, "acme")
            assert [(name, it.revision) for name, it in followed.items()] == [("south", 1), ("north", 10)]
            found = await profiles.find(connection, "acme", "north")
            assert (found.draft.priority, found.version, found.author, found.published) == (4, 2, "ann", 10)
            assert list(await profiles.drafts_by_name(connection, "acme")) == ["draft", "north", "south"]
            assert [it.frozen.revision for it in await profiles.revisions(connection, "acme", "north")] == [10, 9]
            await profiles.set_published(connection, "acme", "north", None)
            assert list(await profiles.published(connection, "acme")) == ["south"]
            assert await profiles.last_number(connection, "acme", "north") == 10
            await profiles.remove(connection, "acme", "north")
            assert await profiles.last_number(connection, "acme", "north") == 0
            with pytest.raises(ProfileUnknown):
                await profiles.find(connection, "acme", "north")
            with pytest.raises(RevisionUnknown):
                await profiles.find_revision(connection, "acme", "south", 2)

    loop.run(check())


def test_applications_are_replaced_by_name(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            for display_name in ("One", "Two"):
                app = model_pb2.App(name="visits", display_name=display_name)
                await apps.put(connection, "acme", app, author="ann", at_us=7)
            assert (await apps.find(connection, "acme", "visits")).display_name == "Two"
            assert list(await apps.all_by_name(connection, "acme")) == ["visits"]
            await apps.remove(connection, "acme", "visits")
            with pytest.raises(AppUnknown):
                await apps.find(connection, "acme", "visits")

    loop.run(check())


def test_a_publish_counts_once_it_has_its_lsn(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            model = model_pb2.Model(revision=1)
            publish = Publish("acme", PublishKind.CUSTOMIZATIONS, None, model, "ann", "why", 77)
            await publishes.add(connection, publish)
            assert await publishes.latest_revision(connection, "acme") == 0
            assert await publishes.latest_model(connection, "acme") is None
            assert await publishes.incomplete(connection, "acme") == [publish]
            await publishes.complete(connection, publish, lsn=5)
            assert await publishes.latest_revision(connection, "acme") == 1
            assert await publishes.latest_model(connection, "acme") == model
            assert await publishes.incomplete(connection, "acme") == []

    loop.run(check())


def test_foreign_keys_hold(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await profiles.put_draft(connection, "nobody", model_pb2.Profile(name="north"), author="", at_us=0)

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
