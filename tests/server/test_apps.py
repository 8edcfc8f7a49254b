"""Applications: their rules, and what their devices get."""

from __future__ import annotations

from pathlib import Path

import pytest
from haversack.model.v1 import model_pb2
from server.crew import ADA, BOB, CAL, CODE, NORTH, Crew, item
from server.refusals import refused
from server.running import Admin, RunningServer


@pytest.fixture
def crew(server: RunningServer, admin: Admin) -> Crew:
    made = Crew.made(server, admin)
    made.publish("field", item("account"), users=[ADA])
    made.publish("office", item("contact"), teams=[NORTH])
    return made


def app(name: str, *profiles: str, offline: bool = True) -> model_pb2.App:
    return model_pb2.App(name=name, display_name=name.title(), offline=offline, profiles=profiles)


def test_one_answer_has_every_breach_of_an_application(crew: Crew) -> None:
    broken = app(" ", "field", "field", "nobody")
    broken.display_name = "x" * 256
    says = ("name must be", "name for people", "profile field is there twice", "no profile 'nobody'")
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", *says):
        crew.apps("SaveApp", app=broken)
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "no profile; name at least one"):
        crew.apps("SaveApp", app=app("visits"))
    for method in ("GetApp", "DeleteApp"):
        with refused(CODE.NOT_FOUND, "APP_UNKNOWN", "visits", "app list"):
            crew.apps(method, name="visits")


def test_applications_are_written_listed_and_published(crew: Crew) -> None:
    crew.save("draft", item("account"))
    saved = crew.apps("SaveApp", app=app("visits", "field", "draft")).summary
    assert (saved.app, saved.changed, list(saved.unpublished_profiles)) == (
        app("visits", "field", "draft"),
        True,
        ["draft"],
    )
    crew.apps("SaveApp", app=app("audits", "office"))
    assert list(crew.entities("PublishCustomizations").changes) == ["new applications: audits, visits"]
    assert [(it.app.name, it.changed) for it in crew.apps("ListApps").apps] == [("audits", False), ("visits", False)]
    crew.apps("SaveApp", app=app("visits", "field", offline=False))
    crew.apps("DeleteApp", name="audits")
    assert crew.apps("GetApp", name="visits").summary.changed
    changes = list(crew.entities("PublishCustomizations").changes)
    assert changes == ["changed applications: visits", "gone applications: audits"]


def test_a_device_names_its_application_and_gets_the_profile_that_has_its_user(crew: Crew, tmp_path: Path) -> None:
    crew.apps("SaveApp", app=app("visits", "field", "office"))
    crew.apps("SaveApp", app=app("audits", "office"))
    crew.entities("PublishCustomizations")
    device = tmp_path / "ada.db"
    assert crew.held(ADA, app="visits", device=device) == {"account": 5}
    assert crew.held(ADA, app="audits") == crew.held(BOB, app="visits") == {"contact": 3}
    with pytest.raises(Exception, match="PROFILE_MISSING"):
        crew.held(CAL, app="visits")
    with pytest.raises(Exception, match="APP_UNKNOWN"):
        crew.held(ADA, app="nothing")

    crew.apps("SaveApp", app=app("visits", "field", offline=False))
    assert crew.held(ADA, app="visits", device=device) == {"account": 5}, "it takes effect with a publish"
    crew.profiles("PublishProfile", name="office")
    with pytest.raises(Exception, match="APP_NOT_ENABLED"):
        crew.held(ADA, app="visits", device=device)
    crew.profiles("UnpublishProfile", name="office")
    with pytest.raises(Exception, match="PROFILE_MISSING"):
        crew.held(BOB, app="audits")
