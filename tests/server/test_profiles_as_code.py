"""Profiles as files: what is exported can be applied, a plan foretells, applying twice does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.cli._profile_files import file_name, profile_yaml, read_profile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server.crew import ADA, BOB, CAL, NORTH, Crew, custom, item
from server.running import RunningServer
from server.test_cli import MISUSED, REFUSED, Line

ONE = '<filter><condition attribute="name" operator="eq" value="Account 1"/></filter>'
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
IDS = st.lists(st.uuids().map(str), max_size=3, unique=True)


@pytest.fixture(scope="module")
def crew(server: RunningServer) -> Crew:
    """One organization for all tests here: each has profiles of its own."""
    return Crew.made(server, server.admin())


@pytest.fixture
def line(server: RunningServer) -> Line:
    return Line(server.settings.data)


def write(folder: Path, *profiles: model_pb2.Profile) -> Path:
    folder.mkdir(exist_ok=True)
    for it in profiles:
        (folder / file_name(it.name)).write_text(profile_yaml(it))
    return folder


@st.composite
def items(draw: st.DrawFn, entity: str) -> model_pb2.ProfileItem:
    drawn = model_pb2.ProfileItem(
        entity=entity,
        criteria=model_pb2.RecordCriteria.Name(draw(st.sampled_from(model_pb2.RecordCriteria.values()))),
        owned_by_me=draw(st.booleans()),
        columns=draw(st.lists(st.sampled_from(["name", "telephone1"]), unique=True)),
        mandatory=draw(st.booleans()),
        priority=draw(st.integers(0, 2**32 - 1)),
        sync_interval_minutes=draw(st.integers(0, 1_440)),
    )
    if draw(st.booleans()):
        drawn.filter.fetch_xml = draw(TEXT)
    if draw(st.booleans()):
        association = drawn.associations.add(relationship=draw(TEXT), direction=draw(st.sampled_from([0, 1, 2])))
        association.filter.fetch_xml = draw(TEXT)
    return drawn


@st.composite
def profiles(draw: st.DrawFn) -> model_pb2.Profile:
    return model_pb2.Profile(
        name=draw(TEXT),
        items=[draw(items(it)) for it in draw(st.lists(st.sampled_from(["account", "contact"]), unique=True))],
        users=draw(IDS),
        teams=draw(IDS),
        priority=draw(st.integers(0, 2**32 - 1)),
        description=draw(TEXT),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(profiles())
def test_every_profile_comes_back_from_its_file(tmp_path: Path, profile: model_pb2.Profile) -> None:
    file = tmp_path / file_name(profile.name)
    assert file.parent == tmp_path
    file.write_text(profile_yaml(profile), newline="")
    assert read_profile(file) == profile


@settings(deadline=None)
@given(st.lists(TEXT, unique=True, max_size=5))
def test_profiles_of_other_names_have_other_files(names: list[str]) -> None:
    assert len({file_name(it) for it in names}) == len(names)
    assert not any("/" in file_name(it) or file_name(it).startswith(".") for it in names if it)


def test_what_is_exported_is_what_was_saved(crew: Crew, line: Line, tmp_path: Path) -> None:
    written = model_pb2.Profile(
        name="Ärzte & Co: eins",
        description="two\nlines",
        users=[CAL],
        teams=[NORTH],
        priority=7,
        items=[custom("account", ONE), item("contact", columns=["lastname"], mandatory=True)],
    )
    crew.profiles("SaveProfile", profile=written)
    org = ("--org", crew.name)
    assert line.run("profile", "export", written.name, *org).output == profile_yaml(written)
    listed = line.json("profile", "export", *org, "--folder", tmp_path / "out")
    [exported] = [it for it in listed if it["profile"] == written.name]
    assert read_profile(Path(exported["file"])) == written
    assert line.json("profile", "plan", exported["file"], *org)["steps"][0]["draft"] == "same"
    line.run("profile", "export", written.name, *org, "--published", expect=MISUSED)
    crew.profiles("PublishProfile", name=written.name)
    crew.save(written.name, item("account"))
    published = line.run("profile", "export", written.name, *org, "--published").output
    assert published == line.run("profile", "export", written.name, *org, "--revision", "1").output
    assert published == profile_yaml(written)
    crew.profiles("UnpublishProfile", name=written.name)
    crew.profiles("DeleteProfile", name=written.name)


def test_a_plan_foretells_and_applying_twice_does_nothing(crew: Crew, line: Line, tmp_path: Path) -> None:
    org = ("--org", crew.name)
    crew.entities("PublishCustomizations")
    first = model_pb2.Profile(name="first", users=[ADA], items=[item("account")])
    second = model_pb2.Profile(name="second", users=[BOB], items=[item("contact")])
    folder = write(tmp_path / "profiles", first, second)
    planned = line.json("profile", "plan", folder, *org)
    assert [(it["profile"], it["draft"], it["published"]) for it in planned["steps"]] == [
        ("first", "new", "new"),
        ("second", "new", "new"),
    ]
    assert (planned["difference"]["gained"]["rows"], planned["difference"]["changed_count"]) == ("8", 2)
    assert line.json("profile", "list", *org) == [], "a plan writes nothing"
    line.run("profile", "plan", folder, *org, "--check", expect=REFUSED)
    line.run("profile", "apply", folder, *org, "--json", expect=MISUSED)
    assert "Aborted" in line.run("profile", "apply", folder, *org, expect=REFUSED).output
    applied = line.json("profile", "apply", folder, *org, "--yes", "--note", "begin")
    assert (applied["saved"], list(applied["published"])) == (["first", "second"], ["first", "second"])
    assert (crew.held(ADA), crew.held(BOB)) == ({"account": 5}, {"contact": 3})

    versions = [(it.name, it.revision, it.draft_version) for it in crew.profiles("ListProfiles").profiles]
    assert line.json("profile", "apply", folder, *org, "--yes") == {"saved": [], "published": {}}
    assert "nothing to do" in line.run("profile", "apply", folder, *org).output
    assert "nothing to do" in line.run("profile", "plan", folder, *org, "--check").output
    assert [(it.name, it.revision, it.draft_version) for it in crew.profiles("ListProfiles").profiles] == versions

    # Users swap their profiles, and one file changes what it carries; a draft that somebody edited goes back.
    write(folder, model_pb2.Profile(name="first", users=[BOB], items=[custom("account", ONE)]))
    write(folder, model_pb2.Profile(name="second", users=[ADA], items=[item("contact")]))
    crew.save("second", users=[BOB], description="edited")
    shown = line.run("profile", "plan", folder, *org).output
    assert "2 of 2 users see a difference" in shown
    applied = line.json("profile", "apply", folder, *org, "--yes")
    assert list(applied["published"]) == ["first", "second"]
    assert (crew.held(ADA), crew.held(BOB)) == ({"contact": 3}, {"account": 1})
    assert line.json("profile", "apply", folder, *org, "--yes") == {"saved": [], "published": {}}
    for name in ("first", "second"):
        crew.profiles("UnpublishProfile", name=name)
        crew.profiles("DeleteProfile", name=name)


def test_what_cannot_be_applied_changes_nothing(crew: Crew, line: Line, tmp_path: Path) -> None:
    org = ("--org", crew.name)
    crew.save("elsewhere", item("account"), users=[ADA])
    good = model_pb2.Profile(name="good", items=[item("account")], users=[BOB])
    bad = model_pb2.Profile(name="wrong", items=[item("pricelevel")], users=[BOB])
    folder = write(tmp_path / "profiles", good, bad)
    planned = line.json("profile", "plan", folder, *org, expect=REFUSED)
    assert any("wrong: item pricelevel" in it for it in planned["breaches"])
    assert any(f"user {BOB} is in good and in wrong" in it for it in planned["breaches"])
    refusal = line.refusal("profile", "apply", folder, *org, "--yes")
    assert refusal["reason"] == "PROFILE_INVALID"
    (folder / "wrong.yaml").unlink()

    good.users.append(ADA)
    write(folder, good)
    assert line.json("profile", "plan", folder, *org)["moves"] == [f"user {ADA} from profile elsewhere to good"]
    refusal = line.refusal("profile", "apply", folder, *org, "--yes")
    assert (refusal["reason"], "--move" in refusal["message"]) == ("USER_IN_OTHER_PROFILE", True)
    assert [it["name"] for it in line.json("profile", "list", *org)] == ["elsewhere"]
    line.run("profile", "apply", folder, *org, "--yes", "--move")
    assert list(crew.draft("elsewhere").users) == []

    (folder / "again.json").write_text('{"name": "good"}')
    line.run("profile", "plan", folder, *org, expect=MISUSED)
    line.run("profile", "plan", tmp_path, *org, expect=MISUSED)
