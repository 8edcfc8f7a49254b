"""What operators look at: metrics, health, logs, and the doctor."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc
from haversack.sync.v1 import sync_pb2
from haversack_server.errors import RequestInvalid
from haversack_server.identity import SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.logs import configure_logs
from haversack_server.operations import Metrics, Pages
from haversack_server.settings import Mode, ServerSettings
from prometheus_client.parser import text_string_to_metric_families
from server.provider import providing
from server.running import LoopThread, RunningServer, running
from server.test_cli import Line, serving
from server.test_security_tls import NOW, Files

ROOT = Path(__file__).resolve().parents[2]
LIST = admin_pb2.ListOrganizationsRequest()


@pytest.fixture
def watched(loop: LoopThread, tmp_path: Path) -> Iterator[RunningServer]:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=tmp_path,
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
    )
    with running(loop, settings) as server:
        yield server


def page(server: RunningServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{server.server.metrics_address}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (it.name, tuple(sorted(it.labels.items()))): it.value
        for family in text_string_to_metric_families(text)
        for it in family.samples
    }


def test_both_endpoints_are_on_one_page(watched: RunningServer) -> None:
    admin = watched.admin()
    name = admin.organization()
    with pytest.raises(grpc.RpcError):
        watched.admin("nonsense").call("organizations", "ListOrganizations", LIST)
    status, text = page(watched, "/metrics")
    assert status == 200
    read = samples(text)
    created = ("outcome", "OK"), ("rpc", "haversack.admin.v1.OrganizationService.CreateOrganization")
    assert read["haversack_admin_calls_total", created] == 1
    refused = ("outcome", "TOKEN_INVALID"), ("rpc", "haversack.admin.v1.OrganizationService.ListOrganizations")
    assert read["haversack_admin_calls_total", refused] == 1
    assert read["haversack_sync_streams", ()] == 0
    assert read["haversack_sync_organization_streams", (("organization", name),)] == 0
    assert read["process_resident_memory_bytes", ()] > 0


def test_health_is_told_over_http(watched: RunningServer) -> None:
    assert page(watched, "/healthz") == (200, "ok\n")
    assert page(watched, "/readyz?verbose") == (200, "ok\n")
    assert page(watched, "/")[0] == 404


def test_what_is_not_ready_says_why() -> None:
    pages = Pages(metrics=lambda: b"", unready=lambda: "the catalog does not answer")
    address = pages.start("127.0.0.1:0")
    try:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"http://{address}/readyz", timeout=30)
        with refusal.value as answer:
            assert (answer.code, answer.read()) == (503, b"the catalog does not answer\n")
        with pytest.raises(RequestInvalid, match="choose another address with metrics_listen"):
            Pages(metrics=lambda: b"", unready=str).start(address)
    finally:
        pages.stop()


def test_the_documents_name_every_metric() -> None:
    metrics = Metrics()
    metrics.add_sync(lambda: '{"streams": 0, "organizations": []}')
    metrics.add_issuers(list)
    metrics.add_sources(list)
    families = {it.name for it in text_string_to_metric_families(metrics.page().decode())}
    ours = {it for it in families if it.startswith("haversack_")}
    told = set(re.findall(r"`(haversack_\w+?)(?:_total)?`", (ROOT / "docs/operating.md").read_text()))
    assert ours == told


@contextmanager
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged while the block runs."""
    stream, before = io.StringIO(), sys.stderr
    sys.stderr = stream
    configure_logs("info")
    try:
        yield lambda: [json.loads(it) for it in stream.getvalue().splitlines()]
    finally:
        configure_logs("warning")
        sys.stderr = before


def test_a_call_is_logged_with_its_ids_and_the_caller_gets_them_back(server: RunningServer) -> None:
    admin = server.admin()
    name = admin.organization(standard=False)
    given = f"trace-{uuid.uuid4()}"
    stub = admin_pb2_grpc.OrganizationServiceStub(server.channel)
    token = ("authorization", f"Bearer {server.admin_token(name)}")
    request = admin_pb2.GetOrganizationRequest(name=name)
    with lines() as logged:
        stub.GetOrganization(request, metadata=(token, ("x-request-id", given)), timeout=30)
        with pytest.raises(grpc.RpcError) as refusal:
            stub.GetOrganization(
                admin_pb2.GetOrganizationRequest(name="other"),
                metadata=(token, ("x-request-id", "not one")),
                timeout=30,
            )
    first, second = [it for it in logged() if it["message"] == "call"]
    told = {key: first[key] for key in ("request", "organization", "caller", "rpc", "outcome", "level")}
    assert told == {
        "request": given,
        "organization": name,
        "caller": "tester",
        "rpc": "haversack.admin.v1.OrganizationService.GetOrganization",
        "outcome": "OK",
        "level": "info",
    }
    assert first["milliseconds"] > 0
    assert second["outcome"] == "TOKEN_NOT_ALLOWED"
    assert second["request"] != "not one"
    assert ("x-request-id", second["request"]) in [(it.key, it.value) for it in refusal.value.trailing_metadata() or ()]


class Doctor:
    """Runs the doctor on a data folder."""

    def __init__(self, data: Path) -> None:
        self._line = Line(data)

    def findings(self, *, expect: int) -> dict[str, tuple[str, str]]:
        found = self._line.json("doctor", expect=expect)
        return {it["what"]: (it["state"], it["found"] + " " + it["advice"]) for it in found}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def configuration(files: Files, issuer: str) -> str:
    listens = [f'{name}_listen = "127.0.0.1:{free_port()}"' for name in ("admin", "sync", "metrics")]
    tls = [f'{name} = "{getattr(files, name)}"' for name in ("certificate_file", "key_file", "ca_file")]
    return "\n".join([*listens, "[tls]", *tls, "[[issuers]]", f'issuer = "{issuer}"', 'audiences = ["haversack"]'])


def test_the_doctor_finds_nothing_in_a_good_set_up(tmp_path: Path, loop: LoopThread) -> None:
    tmp_path.chmod(0o700)
    files = Files(tmp_path)
    files.key_file.chmod(0o600)
    with providing() as provider:
        (tmp_path / "haversack.toml").write_text(configuration(files, provider.issuer))
        settings = files.settings(tmp_path)
        with running(loop, settings) as server:
            line = Line(tmp_path)
            line.run("org", "create", "acme")
            line.run("org", "create", "served")
            line.run("entity", "import", "--org", "served", "--standard")
            line.run("org", "provision", "served", "--consent", "--watch")
            assert server.settings.tls is not None
        found = Doctor(tmp_path).findings(expect=0)
    assert {what: state for what, (state, _) in found.items() if state != "GOOD"} == {}
    assert {"settings", "catalog", "certificate", "certificate's chain", "clock", "admin endpoint"} <= set(found)
    assert {"record database of acme", "staging database of served"} <= set(found)


def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    assert Doctor(tmp_path).findings(expect=1)["settings"][0] == "BAD"
    files = Files(tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "haversack.toml").write_text(configuration(files, "http://127.0.0.1:1"))
    found = Doctor(tmp_path).findings(expect=1)
    assert "chmod 700" in found[f"data folder {tmp_path}"][1]
    assert found["catalog"][0] == "DOUBTFUL"
    assert found["issuer http://127.0.0.1:1"][0] == "BAD"
    files.renew(until=NOW + timedelta(days=3))
    assert "renew it" in Doctor(tmp_path).findings(expect=1)["certificate"][1]
    files.key_file.unlink()
    assert Doctor(tmp_path).findings(expect=1)["certificate"][0] == "BAD"
    files.renew()
    trustme.CA().cert_pem.write_to_path(files.ca_file)
    assert "clients refuse it" in Doctor(tmp_path).findings(expect=1)["certificate's chain"][1]


def test_the_doctor_sees_taken_addresses_and_damaged_databases(tmp_path: Path, loop: LoopThread) -> None:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT, data=tmp_path, admin_listen="127.0.0.1:0", sync_listen="127.0.0.1:0"
    )
    with running(loop, settings):
        Line(tmp_path).run("org", "create", "acme")
    [record] = tmp_path.glob("organizations/*/native.sqlite3")
    record.write_bytes(b"nonsense" * 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "haversack.toml").write_text(f'mode = "development"\nmetrics_listen = "127.0.0.1:{port}"')
        found = Doctor(tmp_path).findings(expect=1)
    assert found["metrics"][0] == "BAD"
    assert found["record database of acme"][0] == "BAD"
    os.unlink(record)
    assert "cannot be read" in Doctor(tmp_path).findings(expect=1)["record database of acme"][1]


def test_the_doctor_knows_its_own_server(watched: RunningServer) -> None:
    places = watched.settings.admin_listen, watched.settings.sync_listen, watched.server.metrics_address
    listens = [f'{name}_listen = "{it}"' for name, it in zip(("admin", "sync", "metrics"), places, strict=True)]
    (watched.settings.data / "haversack.toml").write_text("\n".join(['mode = "development"', *listens]))
    found = Doctor(watched.settings.data).findings(expect=0)
    for what in ("admin endpoint", "sync endpoint", "metrics"):
        assert "the server answers" in found[what][1]


def test_both_halves_log_calls_under_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAVERSACK_LOG", raising=False)
    install = uuid.uuid4().bytes
    with serving(tmp_path) as (process, endpoints):
        Line(tmp_path).run("org", "create", "acme")
        issuer = DevelopmentIssuer.open(tmp_path)
        token = issuer.token(user=str(uuid.uuid4()), organization="acme", audience=SYNC_AUDIENCE, hours=1)
        with grpc.insecure_channel(endpoints["sync"]) as channel:
            call: Any = channel.unary_stream(
                "/haversack.sync.v1.SyncService/Sync",
                request_serializer=sync_pb2.SyncRequest.SerializeToString,
                response_deserializer=sync_pb2.SyncEvent.FromString,
            )
            metadata = (("authorization", f"Bearer {token}"), ("x-request-id", "trace-7"))
            with pytest.raises(grpc.RpcError):
                list(call(sync_pb2.SyncRequest(install_id=install), metadata=metadata, timeout=30))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    logged = [json.loads(it) for it in errors.splitlines()]
    assert all({"timestamp", "level", "message"} <= set(it) for it in logged)
    [administered] = [it for it in logged if it["message"] == "call"]
    [streamed] = [it for it in logged if it["message"] == "a stream was refused"]
    assert (administered["outcome"], administered["caller"]) == ("OK", "haversack-cli")
    told = {key: streamed[key] for key in ("request", "device", "organization", "outcome")}
    assert told == {
        "request": "trace-7",
        "device": install.hex(),
        "organization": "acme",
        "outcome": "ORGANIZATION_NOT_PROVISIONED",
    }
