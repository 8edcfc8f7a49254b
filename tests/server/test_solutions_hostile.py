"""Zips and XML from strangers: whatever they try is refused, by name, and soon."""

from __future__ import annotations

import io
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from haversack_server.errors import SolutionInvalid
from haversack_server.solutions import SOLUTION_BYTES_MAX, read_solution
from hypothesis import given, settings
from hypothesis import strategies as st
from server.solution_world import packed

SECONDS_MAX = 10.0
"""Far more than any refusal takes, and far less than what it refuses would."""

EMPTY = "<ImportExportXml/>"
PROFILE = (
    "<ImportExportXml><MobileOfflineProfiles><MobileOfflineProfile "
    'MobileOfflineProfileId="5d0c1e52-0000-4000-8000-000000000001" Name="f">{}'
    "</MobileOfflineProfile></MobileOfflineProfiles></ImportExportXml>"
)
ITEM = (
    "<MobileOfflineProfileItems><MobileOfflineProfileItem "
    'MobileOfflineProfileItemId="5d0c1e52-0000-4000-8000-000000000002">{}'
    "</MobileOfflineProfileItem></MobileOfflineProfileItems>"
)


def entries(*names: str, content: bytes = b"x") -> bytes:
    """A good zip with further entries."""
    made = io.BytesIO(packed(EMPTY))
    with zipfile.ZipFile(made, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name in names:
            archive.writestr(name, content)
    return made.getvalue()


def named(name: str) -> bytes:
    """A good zip with an entry of a name that zipfile itself would not write so."""
    placeholder = "n" * len(name.encode())
    return entries(placeholder).replace(placeholder.encode(), name.encode())


def deflated(size: int, *, name: str = "customizations.xml") -> bytes:
    """A zip with an entry of so many equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("solution.xml", EMPTY)
        with archive.open(name, "w") as entry:
            for _ in range(size // 65_536):
                entry.write(b" " * 65_536)
    return made.getvalue()


def lying(size: int) -> bytes:
    """A zip whose directory says that its document unpacks to so many bytes, which it does not."""
    content = bytearray(packed(EMPTY + " " * 100))
    at = content.rfind(b"PK\x01\x02")
    struct.pack_into("<L", content, at + 24, size)
    return bytes(content)


def flagged(flag: int) -> bytes:
    """A zip whose documents are marked so in the directory."""
    content = bytearray(packed(EMPTY))
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<H", content, at + 8, flag)
        at = content.find(b"PK\x01\x02", at + 1)
    return bytes(content)


def method(number: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", number) as archive:
        archive.writestr("solution.xml", EMPTY)
        archive.writestr("customizations.xml", EMPTY)
    return made.getvalue()


def counting(entries_: int, directory_bytes: int, *, of: bytes = b"") -> bytes:
    """A good zip whose end speaks of another directory: of so many entries and, unless 0, bytes."""
    content = bytearray(of or packed(EMPTY))
    at = content.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", content, at + 8, entries_, entries_)
    if directory_bytes:
        struct.pack_into("<L", content, at + 12, directory_bytes)
    return bytes(content)


ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not a zip"),
    "an empty zip": (lambda: b"PK\x05\x06" + bytes(18), "not a zip"),
    "wrong magic": (lambda: b"MZ" + packed(EMPTY), "not a zip"),
    "text": (EMPTY.encode, "not a zip"),
    "cut off": (lambda: packed(EMPTY)[:-40], "cut off"),
    "cut in the middle": (lambda: packed(EMPTY)[:60], "cut off"),
    "too large": (lambda: b"PK\x03\x04" + bytes(SOLUTION_BYTES_MAX), "at most 8,388,608"),
    "no solution.xml": (lambda: deflated(0).replace(b"solution.xml", b"solvtion.xml"), "no solution.xml"),
    "no customizations.xml": (lambda: deflated(0, name="other.xml"), "no customizations.xml"),
    "a bomb": (lambda: deflated(31 * 1024 * 1024), "times its size"),
    "a bomb beside": (lambda: deflated(256 * 1024 * 1024, name="beside.bin"), "times its size"),
    "10,000 entries": (lambda: entries(*(f"f{it}" for it in range(10_000))), "entries"),
    "10,000 entries that are not counted": (
        lambda: counting(2, 0, of=entries(*(f"f{it}" for it in range(10_000)))),
        "10,002 entries",
    ),
    "a directory of another size": (lambda: counting(2, 5), "damaged"),
    "a directory beyond the end": (lambda: counting(2, 2**32 - 1), "damaged"),
    "a size that is too small": (lambda: lying(5), "damaged"),
    "a size that is too large": (lambda: lying(33 * 1024 * 1024), "times its size"),
    "encrypted": (lambda: flagged(0x1), "encrypted"),
    "bzip2": (lambda: method(zipfile.ZIP_BZIP2), "another way than deflate"),
    "lzma": (lambda: method(zipfile.ZIP_LZMA), "another way than deflate"),
    "upwards": (lambda: entries("../solution.xml"), "plain relative names"),
    "upwards inside": (lambda: entries("a/../../b"), "plain relative names"),
    "absolute": (lambda: entries("/etc/passwd"), "plain relative names"),
    "a drive": (lambda: entries("C:/x"), "plain relative names"),
    "backslashes": (lambda: entries("a\\b"), "plain relative names"),
    "a NUL": (lambda: named("solution.xml\0.txt"), "plain relative names"),
    "a newline": (lambda: entries("a\nb"), "plain relative names"),
    "no name": (lambda: entries("a//b"), "plain relative names"),
    "two of a name": (lambda: entries("customizations.xml"), "two entries"),
    "two of a name but for case": (lambda: entries("Customizations.XML"), "two entries"),
}


@pytest.mark.parametrize(("make", "says"), ZIPS.values(), ids=ZIPS)
def test_a_hostile_zip_is_refused_soon(make: Callable[[], bytes], says: str) -> None:
    content = make()
    begun = time.monotonic()
    with pytest.raises(SolutionInvalid, match=says):
        read_solution(content)
    assert time.monotonic() - begun < SECONDS_MAX


BARE = '<MobileOfflineProfile Name="f" MobileOfflineProfileId="5d0c1e52-0000-4000-8000-000000000001"/>'
FILTERED = (
    '<MobileOfflineProfileItem MobileOfflineProfileItemId="5d0c1e52-0000-4000-8000-000000000002">'
    "<EntitySchemaName>a</EntitySchemaName><RecordDistributionCriteria>3</RecordDistributionCriteria>"
    "<ProfileItemEntityFilter>x</ProfileItemEntityFilter></MobileOfflineProfileItem>"
)
ENTITY_BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + it)} "{f"&{chr(97 + it)};" * 10}">' for it in range(9))
    + "]><ImportExportXml>&j;</ImportExportXml>"
)
DOCUMENTS: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "a document type": (lambda: "<!DOCTYPE ImportExportXml><ImportExportXml/>", "document type"),
    "an outer document type": (lambda: '<!DOCTYPE x SYSTEM "file:///etc/passwd"><ImportExportXml/>', "document type"),
    "an outer entity": (
        lambda: '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ImportExportXml>&e;</ImportExportXml>',
        "document type",
    ),
    "an entity bomb": (lambda: ENTITY_BOMB, "document type"),
    "an unknown entity": (lambda: "<ImportExportXml>&e;</ImportExportXml>", "not well-formed"),
    "an instruction": (lambda: "<?xml-stylesheet href='x'?><ImportExportXml/>", "processing instruction"),
    "an instruction inside": (lambda: "<ImportExportXml><?php ?></ImportExportXml>", "processing instruction"),
    "nothing": (lambda: "", "not well-formed"),
    "cut off": (lambda: "<ImportExportXml><Entities>", "not well-formed"),
    "two roots": (lambda: EMPTY + EMPTY, "not well-formed"),
    "another root": (lambda: "<html/>", "begins with"),
    "UTF-16": (lambda: EMPTY.encode("utf-16"), "not well-formed XML in UTF-8"),
    "Latin 1": (lambda: '<?xml version="1.0" encoding="latin-1"?><a b="é"/>'.encode("latin-1"), "not well-formed"),
    "a control character": (lambda: "<ImportExportXml>\x01</ImportExportXml>", "not well-formed"),
    "deep": (lambda: "<ImportExportXml>" + "<a>" * 300_000, "lie within each other"),
    "deep where nobody reads": (lambda: "<ImportExportXml><Roles>" + "<a>" * 200, "lie within each other"),
    "wide": (lambda: "<ImportExportXml>" + "<a/>" * 350_000 + "</ImportExportXml>", "more than 300,000 elements"),
    "wide where nobody reads": (
        lambda: "<ImportExportXml><Roles>" + "<a/><b/>" * 600_000 + "</Roles></ImportExportXml>",
        "more than 1,000,000 elements",
    ),
    "many attributes": (
        lambda: "<ImportExportXml " + " ".join(f"a{it}=''" for it in range(100)) + "/>",
        "more than 64 attributes",
    ),
    "a huge text": (lambda: PROFILE.format(f"<Name>{noise(3_000_000)}</Name>"), "longer than 2,097,152"),
    "a huge attribute": (lambda: f'<ImportExportXml a="{noise(3_000_000)}"/>', "longer than 2,097,152"),
    "a huge name": (lambda: f"<a{noise(3_000_000)}/>", "a name is longer"),
    "a bad GUID": (lambda: PROFILE.replace("5d0c1e52-0000", "zzzzzzzz").format(""), "must be a GUID"),
    "no entity": (lambda: PROFILE.format(ITEM.format("")), "no EntitySchemaName"),
    "no criteria": (
        lambda: PROFILE.format(ITEM.format("<EntitySchemaName>a</EntitySchemaName>")),
        "must be 0, 1, 2 or 3",
    ),
    "strange criteria": (
        lambda: PROFILE.format(
            ITEM.format(
                "<EntitySchemaName>a</EntitySchemaName><RecordDistributionCriteria>4</RecordDistributionCriteria>"
            )
        ),
        "must be 0, 1, 2 or 3",
    ),
    "a strange boolean": (
        lambda: PROFILE.format(
            ITEM.format(
                "<EntitySchemaName>a</EntitySchemaName><RecordDistributionCriteria>2</RecordDistributionCriteria>"
                "<RecordsOwnedByMe>maybe</RecordsOwnedByMe>"
            )
        ),
        "must be 0 or 1",
    ),
    "many profiles": (
        lambda: PROFILE.format(
            "</MobileOfflineProfile>" + BARE * 500 + "<MobileOfflineProfile Name='z' "
            "MobileOfflineProfileId='5d0c1e52-0000-4000-8000-000000000001'>"
        ),
        "502 profiles",
    ),
    "many items": (
        lambda: PROFILE.format(f"<MobileOfflineProfileItems>{FILTERED * 1_001}</MobileOfflineProfileItems>"),
        "1,001 items",
    ),
    "many filters": (
        lambda: PROFILE.format(
            "</MobileOfflineProfile>"
            + (
                BARE.replace(
                    "/>",
                    f"><MobileOfflineProfileItems>{FILTERED * 900}</MobileOfflineProfileItems></MobileOfflineProfile>",
                )
            )
            * 6
            + BARE.removesuffix("/>")
            + ">"
        ),
        "5,400 filters",
    ),
    "a filter that is not escaped": (
        lambda: PROFILE.format(
            ITEM.format(
                "<EntitySchemaName>a</EntitySchemaName><RecordDistributionCriteria>3</RecordDistributionCriteria>"
                "<ProfileItemEntityFilter><fetch/></ProfileItemEntityFilter>"
            )
        ),
        "as escaped text",
    ),
}


def noise(size: int) -> str:
    """Text that does not pack well enough to be taken for a bomb."""
    return "".join(f"{it * 2_654_435_761 % 2**32:08x}" for it in range(size // 8 + 1))


@pytest.mark.parametrize(("make", "says"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_hostile_document_is_refused_soon(make: Callable[[], str | bytes], says: str) -> None:
    content = make()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        manifest = "<ImportExportXml><SolutionManifest><UniqueName>x</UniqueName></SolutionManifest></ImportExportXml>"
        archive.writestr("solution.xml", manifest)
        archive.writestr("customizations.xml", content)
    begun = time.monotonic()
    with pytest.raises(SolutionInvalid, match=says):
        read_solution(made.getvalue())
    assert time.monotonic() - begun < SECONDS_MAX


@pytest.mark.parametrize(
    "solution", ["<!DOCTYPE x><ImportExportXml/>", EMPTY, "<ImportExportXml><SolutionManifest/></ImportExportXml>"]
)
def test_a_manifest_is_looked_at_as_closely(solution: str) -> None:
    with pytest.raises(SolutionInvalid, match=r"solution\.xml"):
        read_solution(packed(EMPTY, solution))


def test_what_is_merely_besides_is_noted_and_not_read() -> None:
    content = packed(EMPTY, **{"Workflows/remind.json": b"{}", "inner.zip": packed(EMPTY), "folder/": b""})
    [note] = read_solution(content).notes
    assert note == "files that are not read: Workflows/remind.json, inner.zip"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    """Whatever a byte becomes, nothing but a refusal comes of it."""
    content = bytearray(packed(PROFILE.format("")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(SolutionInvalid):
        assert read_solution(bytes(content)).header.unique_name
