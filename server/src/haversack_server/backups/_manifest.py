"""The manifest: what is in a backup, and what its files must come to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from haversack_server.backups import _files
from haversack_server.backups._progress import Meter, Report
from haversack_server.errors import BackupInvalid, BackupVersion

MANIFEST_FILE = "manifest.json"
CATALOG_FILE = "catalog.jsonl"

DATA_FOLDER = PurePosixPath("data")
"""In a backup: what belongs into a data folder, by the paths that it has there."""

FORMAT = 1
"""Version of a backup's form."""

MANIFEST_BYTES_MAX = 64 * 1024 * 1024
"""A manifest is read whole; this is enough for some hundred thousand organizations."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BackedUpFile(_Part):
    """A file, by its path in the backup."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\\" in path or "\0" in path:
            raise ValueError("a path leads out of the backup")
        if PurePosixPath(path) == DATA_FOLDER:
            raise ValueError(f"{path} is a folder of a backup, and no file")
        return path


class BackedUpOrganization(_Part):
    """An organization, and up to which LSN its databases are in the backup; -1 for one that there is not."""

    name: str
    state: str
    staging_head: int
    record_head: int


class Manifest(_Part):
    """What is in a backup.

    Attributes:
        format: Version of the backup's form.
        version: Of the Haversack that made it.
        made_at_us: When it was begun, microseconds since the Unix epoch.
        catalog_schema: Revision of the catalog's schema.
        catalog_database: Kind of database that the catalog was in; it can be restored to either.
        is_partial: Whether other organizations were left out.
        organizations: What is in it.
        tables: How many rows of each table of the catalog.
        files: Every other file of the backup.
    """

    format: int
    version: str
    made_at_us: int
    catalog_schema: str
    catalog_database: str
    is_partial: bool
    organizations: tuple[BackedUpOrganization, ...]
    tables: dict[str, int]
    files: tuple[BackedUpFile, ...]

    @property
    def bytes_total(self) -> int:
        """What the files come to."""
        return sum(file.bytes for file in self.files)


def read(folder: Path) -> Manifest:
    """Reads a backup's manifest; raises BackupInvalid, or BackupVersion if a newer version wrote it."""
    path = folder / MANIFEST_FILE
    try:
        if path.stat().st_size > MANIFEST_BYTES_MAX:
            raise BackupInvalid(f"{path} is larger than a manifest can be; use another backup")
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BackupInvalid(f"{folder} is no backup: it has no {MANIFEST_FILE}; name the folder of one") from None
    except OSError as error:
        raise BackupInvalid(f"{path} cannot be read: {error}") from error
    try:
        found = _Format.model_validate_json(content).format
        if found != FORMAT:
            raise BackupVersion(
                f"{folder} has form {found} of a backup, and this version reads {FORMAT}; use the version that made it"
            )
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BackupInvalid(f"{path} is no manifest ({error.errors()[0]['msg']}); use another backup") from error


class _Format(BaseModel):
    format: int


def verify(folder: Path, report: Report) -> Manifest:
    """Returns the manifest of a backup that is whole; raises BackupInvalid with every file that is not."""
    manifest = read(folder)
    meter, wrong = Meter(report, manifest.bytes_total), []
    for file in manifest.files:
        if problem := _problem(folder / file.path, file, meter):
            wrong.append(f"{file.path} {problem}")
        meter.settle(file.path, file.bytes)
    known = {PurePosixPath(file.path) for file in manifest.files} | {PurePosixPath(MANIFEST_FILE)}
    there = {PurePosixPath(it.relative_to(folder).as_posix()) for it in folder.rglob("*") if not it.is_dir()}
    wrong += [f"{path} does not belong to it" for path in sorted(there - known)]
    if wrong:
        raise BackupInvalid(f"{folder} is not the backup that was made: {'; '.join(wrong)}; use another backup")
    return manifest


def _problem(path: Path, file: BackedUpFile, meter: Meter) -> str:
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size:,} bytes instead of {file.bytes:,}"
        found = _files.sum_of(path, lambda done: meter.tell(file.path, done))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if found == file.sha256 else "has other content than it was made with"
