"""`haversack filter`: sound filters pass, others are refused with their place, and rows match as on devices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from server.running import RunningServer
from server.test_cli import MISUSED, OK, REFUSED, USER, Line

FILTER = """<filter type='or'>
  <condition attribute='ownerid' operator='eq-useroruserteams'/>
  <condition attribute='modifiedon' operator='last-x-days' value='2'/>
  <link-entity name='contact' from='parentcustomerid' to='accountid' link-type='any'>
    <filter><condition attribute='fullname' operator='begins-with' value='ann'/></filter>
  </link-entity>
</filter>"""
MINE, NEW, LINKED, OTHER = (f"{digit}1111111-1111-4111-8111-111111111111" for digit in "1234")
TEAM = "51111111-1111-4111-8111-111111111111"


@pytest.fixture
def alone(tmp_path: Path) -> Line:
    """A command line without a server."""
    return Line(tmp_path / "nothing")


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def rows(folder: Path, entity: str, *lines: Mapping[str, object]) -> str:
    path = written(folder, f"{entity}.jsonl", "\n".join(json.dumps(line) for line in lines))
    return f"{entity}={path}"


def test_a_sound_filter_is_put_into_words(alone: Line, tmp_path: Path) -> None:
    file = written(tmp_path, "filter.xml", FILTER)
    assert "is sound for account" in alone.run("filter", "check", file, "--entity", "account").stdout
    clauses = alone.json("filter", "explain", file, "--entity", "account")["clauses"]
    assert clauses[0] == "or"
    assert "  ownerid is the user or a team of the user" in clauses
    assert '      fullname begins with "ann"' in clauses


@pytest.mark.parametrize(
    ("damage", "reason", "told"),
    [
        (("last-x-days", "last-x-fortnights"), "FILTER_OPERATOR_UNKNOWN", "line 3"),
        (("'modifiedon'", "'modified'"), "ATTRIBUTE_UNKNOWN", "modified"),
        (("value='2'", "value='soon'"), "FILTER_OPERAND_INVALID", "soon"),
        (("link-type='any'", "link-type='inner'"), "FILTER_UNSUPPORTED", "any"),
        (("</filter>\n  </link-entity>", "</link-entity>"), "FILTER_MALFORMED", "line"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    alone: Line, tmp_path: Path, damage: tuple[str, str], reason: str, told: str
) -> None:
    assert damage[0] in FILTER
    file = written(tmp_path, "filter.xml", FILTER.replace(*damage))
    refusal = alone.refusal("filter", "check", file, "--entity", "account")
    assert refusal["reason"] == reason
    assert told in refusal["message"]


def test_text_that_is_no_utf_8_is_refused(alone: Line, tmp_path: Path) -> None:
    (tmp_path / "filter.xml").write_bytes(b"<filter>\xff</filter>")
    refusal = alone.refusal("filter", "check", tmp_path / "filter.xml", "--entity", "account")
    assert refusal["reason"] == "FILTER_MALFORMED"


def test_rows_are_matched_for_a_user_at_an_instant(alone: Line, tmp_path: Path) -> None:
    file = written(tmp_path, "filter.xml", FILTER)
    accounts = rows(
        tmp_path,
        "account",
        {"accountid": MINE, "ownerid": TEAM, "ownerid_type": "team"},
        {"accountid": NEW, "modifiedon": "2026-03-28T23:00:00Z"},
        {"accountid": LINKED},
        {"accountid": OTHER, "modifiedon": "2026-03-27T22:59:59Z"},
    )
    contact = {"contactid": TEAM, "fullname": "Anna", "parentcustomerid": LINKED, "parentcustomerid_type": "account"}
    given = [
        accounts,
        rows(tmp_path, "contact", contact),
        rows(tmp_path, "team", {"teamid": TEAM}),
        rows(tmp_path, "teammembership", {"teammembershipid": MINE, "systemuserid": USER, "teamid": TEAM}),
        rows(tmp_path, "usersettings", {"systemuserid": USER, "timezonename": "Europe/Vienna"}),
    ]
    options = [word for table in given for word in ("--rows", table)]
    asked: list[str | Path] = ["filter", "eval", file, "--entity", "account", *options, "--now", "2026-03-30T08:00:00Z"]
    assert alone.json(*asked, "--user", USER)["matches"] == [MINE, NEW, LINKED]
    assert alone.json(*asked)["matches"] == [NEW, LINKED], "a user of no team, in UTC"
    assert alone.run(*asked[:5], "--rows", rows(tmp_path, "account", {"accountid": OTHER})).stdout == "no row matches\n"


def test_bad_rows_and_misuse(alone: Line, tmp_path: Path) -> None:
    file = written(tmp_path, "filter.xml", FILTER)
    bad = rows(tmp_path, "account", {"accountid": MINE, "revenue": "much"})
    refusal = alone.refusal("filter", "eval", file, "--entity", "account", "--rows", bad)
    assert refusal["reason"] == "ROWS_INVALID"
    assert "account:1" in refusal["message"]
    alone.run("filter", "eval", file, "--entity", "account", "--rows", "nothing", expect=MISUSED)
    alone.run("filter", "eval", file, "--entity", "account", "--rows", bad, "--now", "noon", expect=MISUSED)
    alone.run("filter", "check", file, "--entity", "nothing", expect=REFUSED)


def test_an_organization_s_metadata_counts(server: RunningServer, tmp_path: Path) -> None:
    line = Line(server.settings.data)
    line.run("org", "create", "words", "--collation", "CI_AS")
    line.run("entity", "import", "--standard", "--org", "words")
    file = written(tmp_path, "filter.xml", FILTER)
    line.run("filter", "check", file, "--entity", "account", "--org", "words", expect=OK)
    accents = "<filter><condition attribute='name' operator='eq' value='cafe'/></filter>"
    file = written(tmp_path, "accents.xml", accents)
    given = rows(tmp_path, "account", {"accountid": MINE, "name": "Café"})
    asked: list[str | Path] = ["filter", "eval", file, "--entity", "account", "--rows", given]
    assert line.json(*asked)["matches"] == [MINE]
    assert line.json(*asked, "--org", "words")["matches"] == []
