"""Settings: arguments before variables before the file, and every mistake at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from haversack_server.errors import ConfigurationInvalid
from haversack_server.places import is_loopback
from haversack_server.settings import Mode, ServerSettings, load_settings

FILE = """
log_level = "debug"
audit_days = 30
admin_listen = "127.0.0.1:1"

[limits]
burst = 9

[tls]
certificate_file = "tls/server.pem"
key_file = "/etc/key.pem"

[[issuers]]
issuer = "https://login.example.com/"
audiences = ["haversack"]
roles_claim = "groups"
roles = { "ops" = "operator@acme" }

[[administrators]]
issuer = "https://login.example.com/"
subject = "root"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAVERSACK_LOG_LEVEL", "HAVERSACK_DATABASE"):
        monkeypatch.delenv(name, raising=False)


def test_without_anything_a_server_is_in_production_and_must_not_start(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, None, {})
    assert (settings.mode, settings.metrics_listen) == (Mode.PRODUCTION, "127.0.0.1:7422")
    with pytest.raises(ConfigurationInvalid) as refusal:
        settings.check()
    assert "there is no certificate" in str(refusal.value)
    assert "no issuer is configured" in str(refusal.value)
    assert str(refusal.value).count("haversack serve --dev") == 2


def test_the_file_of_the_data_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "haversack.toml").write_text(FILE)
    settings = load_settings(tmp_path, None, {})
    settings.check()
    assert (settings.log_level, settings.audit_days, settings.limits.burst) == ("debug", 30, 9)
    assert settings.issuers[0].roles == {"ops": "operator@acme"}
    assert settings.administrators[0].subject == "root"
    assert settings.tls is not None
    assert settings.place(settings.tls.certificate_file) == tmp_path / "tls/server.pem"
    assert settings.place(settings.tls.key_file) == Path("/etc/key.pem")


def test_variables_win_over_the_file_and_arguments_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "elsewhere.toml"
    file.write_text(FILE)
    monkeypatch.setenv("HAVERSACK_AUDIT_DAYS", "60")
    monkeypatch.setenv("HAVERSACK_LIMITS__BURST", "7")
    monkeypatch.setenv("HAVERSACK_ADMIN_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("HAVERSACK_ISSUERS", json.dumps([{"issuer": "https://other/", "audiences": ["x"]}]))
    monkeypatch.setenv("HAVERSACK_DATABASE", "sqlite+aiosqlite:///x")
    monkeypatch.setenv("HAVERSACK_ADMIN", "of the command line, and no setting")
    settings = load_settings(tmp_path, file, {"admin_listen": "127.0.0.1:3"}, {"HAVERSACK_DATABASE": "sqlite:///y"})
    assert (settings.audit_days, settings.limits.burst, settings.admin_listen) == (60, 7, "127.0.0.1:3")
    assert [it.issuer for it in settings.issuers] == ["https://other/"]
    assert settings.database_url == settings.catalog_url == "sqlite:///y"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('audit_dayz = 3\nlog_level = "loud"', ["audit_dayz: there is no such setting", "log_level: "]),
        ("a = = b", ["Invalid value", "haversack.toml"]),
        ("[tls]\nkey_file = 'x'", ["tls.certificate_file: Field required"]),
        ("[[issuers]]\nissuer = 'https://x'\naudiences = []", ["issuers.0.audiences"]),
        ("[[issuers]]\nissuer = 'x'\naudiences = ['a']\nalgorithms = ['HS256']", ["issuers.0.algorithms.0"]),
        ("[[issuers]]\nissuer = 'x'\naudiences = ['a']\nroles_claim = 'r'\nroles = { a = 'king' }", ["roles.a"]),
        ("[[issuers]]\nissuer = 'x'\naudiences = ['a']\nroles = { a = 'reader' }", ["roles need roles_claim"]),
        ("[[issuers]]\nissuer = 'x'\naudiences = ['a']\njwks_file = 'a'\njwks_url = 'b'", ["two sources of keys"]),
    ],
)
def test_mistakes_are_told_all_at_once(content: str, says: list[str], tmp_path: Path) -> None:
    (tmp_path / "haversack.toml").write_text(content)
    with pytest.raises(ConfigurationInvalid) as refusal:
        load_settings(tmp_path, None, {})
    for text in says:
        assert text in str(refusal.value)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="there is no configuration"):
        load_settings(tmp_path, tmp_path / "nowhere.toml", {})


@pytest.mark.parametrize("mode", Mode)
def test_plain_text_stays_on_this_machine_in_every_mode(mode: Mode, tmp_path: Path) -> None:
    settings = ServerSettings(data=tmp_path, mode=mode, plain_text=True, sync_listen="0.0.0.0:1")
    with pytest.raises(ConfigurationInvalid, match=r"cannot listen on 0\.0\.0\.0:1"):
        settings.check()


@pytest.mark.parametrize(
    ("listen", "is_one"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("0.0.0.0:1", False), ("example.com:1", False)],
)
def test_loopback_is_known(listen: str, is_one: bool) -> None:
    assert is_loopback(listen) == is_one
