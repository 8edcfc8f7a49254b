"""Files of a backup: private, on disk before they count, and known by their sums."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1024 * 1024

LOCK_FILE = "lock"
"""In a folder that is being written to: locked by the process that does, for as long as it lives."""


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, that only its owner can look into."""
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a new file that only its owner can read; it is on disk when the block ends."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def copy(source: Path, target: Path, tell: Callable[[int], object] = lambda _: None) -> str:
    """Copies a file's content to a new private file; returns its SHA-256 in hexadecimal."""
    with source.open("rb") as file, new_file(target) as out:
        return _through(file, out.write, tell)


def sum_of(path: Path, tell: Callable[[int], object] = lambda _: None) -> str:
    """Returns the SHA-256 of a file in hexadecimal; `tell` hears how many bytes have been read."""
    with path.open("rb") as file:
        return _through(file, lambda _: None, tell)


def _through(file: BinaryIO, take: Callable[[bytes], object], tell: Callable[[int], object]) -> str:
    digest, done = hashlib.sha256(), 0
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        take(chunk)
        done += len(chunk)
        tell(done)
    return digest.hexdigest()


def sync_folders(folder: Path) -> None:
    """Puts the names of everything in a folder on disk."""
    for path in (folder, *(it for it in folder.rglob("*") if it.is_dir())):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yields a folder beside `target` to write to, which takes its name at the end; if the block raises, it goes.

    What a process left that was killed is written anew. Raises BlockingIOError while another one is at it.
    """
    folder = target.with_name(f".{target.name}.unfinished")
    make_folder(folder)
    with (folder / LOCK_FILE).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _empty(folder)
        try:
            yield folder
            (folder / LOCK_FILE).unlink()
            sync_folders(folder)
            # A folder that is there already stays: only an empty one gives way to a rename.
            folder.rename(target)
            sync_folders_above(target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def sync_folders_above(path: Path) -> None:
    """Puts a path's own name on disk."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()
