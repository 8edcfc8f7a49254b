"""What tests share: a whole server over real sockets, tokens that it believes, and its services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from haversack_server.logs import configure_logs
from haversack_server.settings import Mode, ServerSettings
from postgresql import PostgresqlServer
from server.postgres_world import LOGICAL, SourceDatabase
from server.running import STEP_SECONDS_MAX, Admin, LoopThread, RunningServer, running

__all__ = ["STEP_SECONDS_MAX", "Admin", "LoopThread", "RunningServer", "running"]

DATABASES = ("sqlite", "postgresql")

# A machine that is busy with something else must not fail a test: nothing here is told from its time.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """The event loop of every server and catalog in this process."""
    configure_logs("warning")
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One PostgreSQL server for the tests that ask for it; each makes a database of its own in it."""
    started = PostgresqlServer()
    yield started
    started.close()


@pytest.fixture(scope="session")
def source_server() -> Iterator[PostgresqlServer]:
    """One PostgreSQL server whose databases are sources: their changes can be followed."""
    started = PostgresqlServer(LOGICAL)
    yield started
    started.close()


@pytest.fixture
def source_database(source_server: PostgresqlServer) -> Iterator[SourceDatabase]:
    """An empty database that can be followed."""
    database = SourceDatabase(source_server)
    yield database
    database.close()


@pytest.fixture(params=DATABASES)
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty catalog, on every kind of database in turn."""
    return new_catalog(request, request.param, tmp_path)


@pytest.fixture
def start_server(request: pytest.FixtureRequest, loop: LoopThread) -> Iterator[Callable[[Path], RunningServer]]:
    """Starts servers on data folders, each with a catalog of its own; they are stopped when the test ends."""
    catalogs: dict[Path, str] = {}
    with ExitStack() as servers:

        def start(data: Path) -> RunningServer:
            if data not in catalogs:
                data.mkdir(exist_ok=True)
                catalogs[data] = new_catalog(request, getattr(request, "param", "sqlite"), data)
            settings = ServerSettings(
                mode=Mode.DEVELOPMENT,
                data=data,
                database_url=catalogs[data],
                admin_listen="127.0.0.1:0",
                sync_listen="127.0.0.1:0",
                stop_grace_seconds=1,
            )
            return servers.enter_context(running(loop, settings))

        yield start


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> RunningServer:
    """One server for all tests that make an organization of their own and do not stop it."""
    found: RunningServer = request.getfixturevalue(f"server_on_{getattr(request, 'param', 'sqlite')}")
    return found


@pytest.fixture(scope="session")
def server_on_sqlite(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The server of tests that run on SQLite."""
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=tmp_path_factory.mktemp("server"),
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
    )
    with running(loop, settings) as started:
        yield started


@pytest.fixture(scope="session")
def server_on_postgresql(
    loop: LoopThread, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresqlServer
) -> Iterator[RunningServer]:
    """The server of tests that run on PostgreSQL."""
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=tmp_path_factory.mktemp("server"),
        database_url=postgresql.database(),
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
    )
    with running(loop, settings) as started:
        yield started


def new_catalog(request: pytest.FixtureRequest, database: str, folder: Path) -> str:
    """Makes an empty catalog on a kind of database; returns its URL."""
    if database == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        return postgresql.database()
    return f"sqlite:///{folder / 'catalog.sqlite3'}"


@pytest.fixture
def admin(server: RunningServer) -> Admin:
    """The shared server's services, with a token that may do everything."""
    return server.admin()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many generated worlds the oracle and simulation tests walk."""
    parser.addoption("--simulation-seeds", type=int, default=12, help="worlds per generated test")
    parser.addoption("--simulation-kills", type=int, default=20, help="processes that the simulation kills")
    parser.addoption("--simulation-seed", type=int, default=None, help="replay this one world")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives every test its seeds and databases.

    One that asks for `seed` gets several; a failing one is in the test's name and replays alone. One that is marked
    `on_every_database` runs on each with the server that it asks for.
    """
    if metafunc.definition.get_closest_marker("on_every_database"):
        for fixture in [it for it in ("server", "start_server") if it in metafunc.fixturenames]:
            metafunc.parametrize(fixture, DATABASES, indirect=True)
    if "seed" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--simulation-seed")
        seeds = [chosen] if chosen is not None else range(metafunc.config.getoption("--simulation-seeds"))
        metafunc.parametrize("seed", seeds)
