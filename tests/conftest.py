"""What tests share: a whole server over real sockets, tokens that it believes, and its services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from haversack_server.logs import configure_logs
from haversack_server.settings import Mode, ServerSettings
from server.running import STEP_SECONDS_MAX, Admin, LoopThread, RunningServer, running

__all__ = ["STEP_SECONDS_MAX", "Admin", "LoopThread", "RunningServer", "running"]


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """The event loop of every server and catalog in this process."""
    configure_logs("warning")
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture
def start_server(loop: LoopThread) -> Iterator[Callable[[Path], RunningServer]]:
    """Starts servers on data folders; they are stopped when the test ends."""
    with ExitStack() as servers:

        def start(data: Path) -> RunningServer:
            settings = ServerSettings(
                mode=Mode.DEVELOPMENT,
                data=data,
                admin_listen="127.0.0.1:0",
                sync_listen="127.0.0.1:0",
                stop_grace_seconds=1,
            )
            return servers.enter_context(running(loop, settings))

        yield start


@pytest.fixture(scope="session")
def server(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that make an organization of their own and do not stop it."""
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=tmp_path_factory.mktemp("server"),
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
    )
    with running(loop, settings) as started:
        yield started


@pytest.fixture
def admin(server: RunningServer) -> Admin:
    """The shared server's services, with a token that may do everything."""
    return server.admin()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many generated worlds the oracle and simulation tests walk."""
    parser.addoption("--simulation-seeds", type=int, default=12, help="worlds per generated test")
    parser.addoption("--simulation-seed", type=int, default=None, help="replay this one world")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives every test that asks for `seed` its seeds; a failing one is in the test's name and replays alone."""
    if "seed" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--simulation-seed")
        seeds = [chosen] if chosen is not None else range(metafunc.config.getoption("--simulation-seeds"))
        metafunc.parametrize("seed", seeds)
