"""The zip of a solution: read with bounds, written in one way.

Two documents are read, in memory and by name; nothing is unpacked to disk. What a zip says about itself is looked at
before anything in it is: its directory's size, its entries' names, sizes and ratios.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from haversack_server.errors import SolutionInvalid

SOLUTION_BYTES_MAX = 8 * 1024 * 1024
ENTRIES_MAX = 1_000
DIRECTORY_BYTES_MAX = 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
RATIO_MAX = 200
"""How many bytes one packed byte may become, in an entry that unpacks to more than a mebibyte."""
RATIO_FREE_BYTES = 1024 * 1024

SOLUTION = "solution.xml"
CUSTOMIZATIONS = "customizations.xml"
CONTENT_TYPES = "[Content_Types].xml"

_DOCUMENTS = (SOLUTION, CUSTOMIZATIONS)
_LOCAL_HEADER = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_COMMENT_BYTES_MAX = 65_535
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, RuntimeError)
"""What zipfile raises where a zip is damaged, or of a kind that it cannot read."""
_ENCRYPTED = 0x1
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_CONTROL_CHARACTERS_END = 32


@dataclass(frozen=True)
class Archive:
    """What a solution's zip holds.

    Attributes:
        solution: Content of solution.xml.
        customizations: Content of customizations.xml.
        others: Names of the entries that were not read.
    """

    solution: bytes
    customizations: bytes
    others: tuple[str, ...]


def read_archive(content: bytes) -> Archive:
    """Reads the two documents of a solution's zip; raises SolutionInvalid."""
    _check_frame(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(archive.infolist())
            by_name = {it.filename.casefold(): it for it in archive.infolist()}
            missing = [name for name in _DOCUMENTS if name not in by_name]
            if missing:
                raise SolutionInvalid(f"the zip has no {missing[0]}, so it is not a solution")
            read = {name: _read(archive, by_name[name]) for name in _DOCUMENTS}
    except _DAMAGE as error:
        raise SolutionInvalid(f"the zip is damaged: {error}") from error
    expected = (*_DOCUMENTS, CONTENT_TYPES.casefold())
    others = tuple(it.filename for key, it in by_name.items() if key not in expected and not it.is_dir())
    return Archive(read[SOLUTION], read[CUSTOMIZATIONS], others)


def write_archive(documents: Mapping[str, bytes]) -> bytes:
    """Packs documents by name, in their order; equal documents give equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in documents.items():
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


def _check_frame(content: bytes) -> None:
    """Refuses what is no zip, or has a directory that would take long to read."""
    if len(content) > SOLUTION_BYTES_MAX:
        raise SolutionInvalid(f"the zip has {len(content):,} bytes; at most {SOLUTION_BYTES_MAX:,} are read")
    if not content.startswith(_LOCAL_HEADER):
        raise SolutionInvalid("this is not a zip with something in it; send a solution's zip as it was exported")
    at = content.rfind(_END_SIGNATURE, max(0, len(content) - _COMMENT_BYTES_MAX - _END.size))
    if at < 0 or at + _END.size > len(content):
        raise SolutionInvalid("the zip has no end; it was cut off")
    _, disk, _, _, entries, directory_bytes, directory_at, _ = _END.unpack_from(content, at)
    if disk or directory_at + directory_bytes > at:
        raise SolutionInvalid("the zip is split, larger than 4 GiB by its own account, or damaged")
    if directory_bytes > DIRECTORY_BYTES_MAX or entries > ENTRIES_MAX:
        raise SolutionInvalid(f"the zip has {entries:,} entries; at most {ENTRIES_MAX:,} are read")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Refuses a zip for what its directory says."""
    if len(entries) > ENTRIES_MAX:
        raise SolutionInvalid(f"the zip has {len(entries):,} entries; at most {ENTRIES_MAX:,} are read")
    seen: set[str] = set()
    for it in entries:
        _check_name(it.orig_filename)
        if it.filename.casefold() in seen:
            raise SolutionInvalid(f"the zip has two entries named {it.filename!r}")
        seen.add(it.filename.casefold())
        if it.file_size > RATIO_FREE_BYTES and it.file_size > RATIO_MAX * it.compress_size:
            raise SolutionInvalid(f"{it.filename!r} unpacks to more than {RATIO_MAX} times its size")
    unpacked = sum(it.file_size for it in entries)
    if unpacked > UNPACKED_BYTES_MAX:
        raise SolutionInvalid(f"the zip unpacks to {unpacked:,} bytes; at most {UNPACKED_BYTES_MAX:,} are read")


def _check_name(name: str) -> None:
    """Refuses a name that could lead anywhere but below the place where a zip is unpacked."""
    parts = name.removesuffix("/").split("/")
    is_strange = "\\" in name or ":" in name or any(ord(it) < _CONTROL_CHARACTERS_END for it in name)
    if is_strange or any(part in ("", ".", "..") for part in parts):
        raise SolutionInvalid(f"the zip has an entry named {name[:200]!r}; solutions have plain relative names")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.flag_bits & _ENCRYPTED:
        raise SolutionInvalid(f"{entry.filename} is encrypted; solutions are not")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SolutionInvalid(f"{entry.filename} is packed in another way than deflate")
    if entry.file_size > DOCUMENT_BYTES_MAX:
        raise SolutionInvalid(
            f"{entry.filename} unpacks to {entry.file_size:,} bytes; at most {DOCUMENT_BYTES_MAX:,} are read"
        )
    # Reads at most the stated size, and compares it and the checksum.
    with archive.open(entry) as unpacked:
        return unpacked.read()
