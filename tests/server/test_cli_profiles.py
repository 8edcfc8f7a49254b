"""The commands of profiles, entities and applications: what they show, ask, and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from server.crew import ADA, BOB, NORTH, Crew, custom, item
from server.running import Admin, RunningServer
from server.test_cli import MISUSED, REFUSED, Line
from typer.testing import CliRunner

ONE = '<filter><condition attribute="name" operator="eq" value="Account 1"/></filter>'


@pytest.fixture
def crew(server: RunningServer, admin: Admin) -> Crew:
    return Crew.made(server, admin)


@pytest.fixture
def line(server: RunningServer) -> Line:
    return Line(server.settings.data)


def answered(server: RunningServer, answer: str, *words: str) -> str:
    """What a command prints that asks, and gets this answer."""
    from haversack_server.cli import app

    runner = CliRunner(env={"HAVERSACK_DATA": str(server.settings.data), "COLUMNS": "200"})
    return runner.invoke(app, words, input=f"{answer}\n").output


def test_publishing_shows_what_it_does_and_asks(crew: Crew, line: Line, server: RunningServer) -> None:
    words = ("profile", "publish", "field", "--org", crew.name)
    crew.save("field", custom("account", ONE), users=[ADA])
    first = answered(server, "n", *words)
    assert "how large devices get is not known: " in first
    assert crew.summary("field").revision == 0, "the answer was no"
    assert "published as the profile's revision 1" in line.run(*words, "--yes", "--note", "one").output
    crew.save("field", item("account"), users=[ADA])
    second = answered(server, "y", *words, "--note", "all")
    assert "1 users with 1 different views: 5 rows" in second
    assert "1 of 1 users see a difference: 4 rows" in second
    assert "Publish field?" in second
    line.run(*words, "--json", expect=MISUSED)
    shown = line.run("profile", "history", "field", "--org", crew.name).output
    assert "devices follow it" in shown
    assert all(text in shown for text in ("one", "all", "haversack-cli"))
    assert "0 rows (0 bytes) come, 4 rows" in answered(
        server, "n", "profile", "rollback", "field", "1", "--org", crew.name
    )
    rolled = line.json("profile", "rollback", "field", "1", "--org", crew.name, "--yes")
    assert rolled["profile_revision"] == "3"
    assert "Unpublish field" in answered(server, "n", "profile", "unpublish", "field", "--org", crew.name)
    assert line.json("profile", "unpublish", "field", "--org", crew.name, "--yes")["revision"] == "4"
    assert "nothing to do" in line.run("profile", "unpublish", "field", "--org", crew.name).output
    assert "Delete profile field" in answered(server, "y", "profile", "delete", "field", "--org", crew.name)
    assert line.json("profile", "list", "--org", crew.name) == []


def test_drafts_are_cloned_checked_and_get_members(crew: Crew, line: Line, tmp_path: Path) -> None:
    org = ("--org", crew.name)
    crew.save("field", item("account"), users=[ADA])
    assert "saved trainees" in line.run("profile", "clone", "field", "trainees", *org).output
    refusal = line.refusal("profile", "member", "add", "trainees", "--user", ADA, *org)
    assert (refusal["reason"], "profile field" in refusal["message"]) == ("USER_IN_OTHER_PROFILE", True)
    shown = line.run("profile", "member", "add", "trainees", "--user", ADA, "--team", NORTH, "--move", *org).output
    assert f"moved: user {ADA} from profile field" in shown
    assert line.json("profile", "member", "add", "field", "--user", BOB, *org)["summary"]["users"] == 1
    assert "saved field" in line.run("profile", "member", "remove", "field", "--user", BOB, *org).output
    line.run("profile", "member", "add", "field", *org, expect=MISUSED)
    assert "it can be published" in line.run("profile", "validate", "trainees", *org).output
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nitems: [{entity: pricelevel, criteria: RECORD_CRITERIA_ALL}]\n")
    assert "breach: item pricelevel" in line.run("profile", "validate", "--file", file, *org, expect=REFUSED).output
    line.run("profile", "validate", *org, expect=MISUSED)
    line.run("profile", "validate", "field", "--file", file, *org, expect=MISUSED)
    file.write_text("name: new")
    assert line.refusal("profile", "save", file, *org, "--draft-version", "4")["reason"] == "DRAFT_CHANGED"
    assert line.json("profile", "save", file, *org, "--draft-version", "0")["summary"]["draft_version"] == "1"


def test_entities_are_limited_disabled_and_published(crew: Crew, line: Line, server: RunningServer) -> None:
    org = ("--org", crew.name)
    crew.publish("field", item("account"), users=[ADA])
    assert "Account 1" in line.run("entity", "filter", "set", "account", "--filter", ONE, *org).output
    line.run("entity", "filter", "set", "account", *org, expect=MISUSED)
    told = line.run("entity", "publish", "--dry-run", *org).output
    assert "change: account: organization filter" in told
    assert "1 of 1 users see a difference: 0 rows (0 bytes) come, 4 rows" in told
    assert "Publish this?" in answered(server, "y", "entity", "publish", *org)
    assert "nothing to publish" in line.run("entity", "publish", *org).output
    line.run("entity", "publish", *org, "--json", expect=MISUSED)
    assert "organization filter: none" in line.run("entity", "filter", "clear", "account", *org).output
    refusal = line.refusal("entity", "disable", "account", *org)
    assert (refusal["reason"], "the published field" in refusal["message"]) == ("ENTITY_IN_USE", True)
    forced = line.run("entity", "disable", "account", "--force", *org).output
    assert "published profiles with an item for it: field" in forced
    assert line.json("entity", "publish", "--yes", *org)["effect"]["metadata"][0]["entity"] == "account"
    for more in (("--filter", ONE, "--no-filter"), ("--no-filter", "--filter", "")):
        line.run("entity", "enable", "account", *org, *more, expect=MISUSED)
    assert "organization_filter" in line.json("entity", "enable", "lead", *org)
    assert "organization_filter" not in line.json("entity", "enable", "lead", "--no-filter", *org)


def test_applications_have_commands(crew: Crew, line: Line, server: RunningServer) -> None:
    org = ("--org", crew.name)
    crew.save("field", item("account"), users=[ADA])
    shown = line.run("app", "save", "visits", "--profile", "field", "--display-name", "Visits", *org).output
    assert "devices do not follow field" in shown
    assert line.json("app", "disable", "visits", *org)["app"]["offline"] is False
    assert line.json("app", "enable", "visits", *org)["app"]["offline"] is True
    assert "change: nothing is published yet" in line.run("app", "publish", "--yes", *org).output
    assert line.json("app", "show", "visits", *org)["changed"] is False
    assert [it["app"]["name"] for it in line.json("app", "list", *org)] == ["visits"]
    assert line.refusal("app", "save", "audits", "--profile", "none", *org)["reason"] == "REQUEST_INVALID"
    line.run("app", "delete", "visits", *org, "--json", expect=MISUSED)
    assert "Delete application visits?" in answered(server, "y", "app", "delete", "visits", *org)
    assert line.json("app", "list", *org) == []
