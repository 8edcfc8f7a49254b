"""TLS of the admin endpoint: real certificates, from files, renewed while the server runs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from haversack.admin.v1 import admin_pb2
from haversack_server.errors import ConfigurationInvalid
from haversack_server.runtime import Server
from haversack_server.security import CertificateFiles, make_development_ca
from haversack_server.settings import Mode, ServerSettings, TlsSettings
from server.running import Admin, LoopThread, RunningServer, running
from server.test_cli import Line

NOW = datetime.now(UTC)
LIST = admin_pb2.ListOrganizationsRequest()
STEP_SECONDS_MAX = 60.0


class Files:
    """A server's certificate in files, from an authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.certificate_file, self.key_file = folder / "server.pem", folder / "server-key.pem"
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.renew()

    def renew(self, *hosts: str, until: datetime | None = None) -> bytes:
        """Writes a new certificate; returns it as DER."""
        made = self.ca.issue_cert(*(hosts or ("localhost", "127.0.0.1")), not_after=until)
        made.private_key_pem.write_to_path(self.key_file)
        chain = b"".join(it.bytes() for it in made.cert_chain_pems)
        self.certificate_file.write_bytes(chain)
        return ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())

    @property
    def pair(self) -> CertificateFiles:
        return CertificateFiles(self.certificate_file, self.key_file)

    def settings(self, data: Path) -> ServerSettings:
        tls = TlsSettings(
            certificate_file=self.certificate_file, key_file=self.key_file, ca_file=self.ca_file, reload_seconds=0.02
        )
        return ServerSettings(
            mode=Mode.DEVELOPMENT,
            data=data,
            admin_listen="127.0.0.1:0",
            sync_listen="127.0.0.1:0",
            tls=tls,
            stop_grace_seconds=1,
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@contextmanager
def secure(server: RunningServer, ca_file: Path) -> Iterator[Admin]:
    """The admin services over TLS."""
    credentials = grpc.ssl_channel_credentials(ca_file.read_bytes())
    with grpc.secure_channel(server.settings.admin_listen, credentials) as channel:
        yield Admin(channel, server.admin_token())


def shown(address: str, ca_file: Path) -> bytes:
    """The certificate that an endpoint shows to a client that trusts this authority, as DER."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port)), STEP_SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        assert encrypted.selected_alpn_protocol() == "h2"
        der = encrypted.getpeercert(binary_form=True)
        assert der is not None
        return der


def eventually_shown(address: str, ca_file: Path, der: bytes) -> None:
    """Waits until an endpoint shows this certificate: its files are looked at every so often."""
    deadline = datetime.now(UTC) + timedelta(seconds=STEP_SECONDS_MAX)
    while shown(address, ca_file) != der:
        assert datetime.now(UTC) < deadline, "the certificate was not renewed"


def test_calls_are_encrypted_and_plain_text_is_not_served(files: Files, loop: LoopThread, tmp_path: Path) -> None:
    with running(loop, files.settings(tmp_path)) as server:
        with secure(server, files.ca_file) as admin:
            admin.call("organizations", "ListOrganizations", LIST)
        with pytest.raises(grpc.RpcError) as refusal:
            server.admin().call("organizations", "ListOrganizations", LIST)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        with secure(server, other) as stranger, pytest.raises(grpc.RpcError):
            stranger.call("organizations", "ListOrganizations", LIST)


def test_the_command_line_finds_the_authority_by_itself(files: Files, loop: LoopThread, tmp_path: Path) -> None:
    with running(loop, files.settings(tmp_path)) as server:
        line = Line(tmp_path)
        assert line.json("org", "list") == []
        address = server.settings.admin_listen
        assert line.json("org", "list", "--admin", f"https://{address}", "--ca-file", files.ca_file) == []
        assert line.refusal("org", "list", "--admin", f"http://{address}")["reason"] == "UNAVAILABLE"
        missing = line.refusal("org", "list", "--ca-file", tmp_path / "nowhere.pem")
        assert missing["reason"] == "CONFIGURATION_INVALID"


def test_a_renewed_certificate_is_shown_without_a_restart(files: Files, loop: LoopThread, tmp_path: Path) -> None:
    with running(loop, files.settings(tmp_path)) as server, secure(server, files.ca_file) as admin:
        admin.call("organizations", "ListOrganizations", LIST)
        for address in (server.settings.admin_listen, server.settings.sync_listen):
            eventually_shown(address, files.ca_file, files.renew())
        admin.call("organizations", "ListOrganizations", LIST)


def test_a_certificate_that_cannot_be_used_is_not_taken(files: Files, loop: LoopThread, tmp_path: Path) -> None:
    with running(loop, files.settings(tmp_path)) as server:
        address = server.settings.admin_listen
        good = shown(address, files.ca_file)
        files.renew(until=NOW - timedelta(days=1))
        assert shown(address, files.ca_file) == good
        files.key_file.unlink()
        assert shown(address, files.ca_file) == good
        files.certificate_file.write_text("nonsense")
        assert shown(address, files.ca_file) == good
        eventually_shown(address, files.ca_file, files.renew())


def broken(files: Files, how: str) -> None:
    match how:
        case "missing":
            files.key_file.unlink()
        case "mismatched":
            kept = files.key_file.read_bytes()
            files.renew()
            files.key_file.write_bytes(kept)
        case "expired":
            files.renew(until=NOW - timedelta(seconds=1))
        case "no certificate":
            files.certificate_file.write_text("nonsense")
        case "no key":
            files.key_file.write_text("nonsense")
        case "encrypted":
            key = load_pem_private_key(files.key_file.read_bytes(), password=None)
            encrypted = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
            files.key_file.write_bytes(encrypted)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "cannot be read: No such file"),
        ("mismatched", "is not the key of"),
        ("expired", "expired at"),
        ("no certificate", "has no certificate in PEM"),
        ("no key", "has no private key in PEM"),
        ("encrypted", "is encrypted; give it without a password"),
    ],
)
def test_a_server_does_not_start_with_a_certificate_that_cannot_be_used(
    how: str, says: str, files: Files, loop: LoopThread, tmp_path: Path
) -> None:
    broken(files, how)
    with pytest.raises(ConfigurationInvalid, match=says):
        loop.run(Server(files.settings(tmp_path)).__aenter__())


def test_a_certificate_of_the_future_is_refused(files: Files) -> None:
    with pytest.raises(ConfigurationInvalid, match="is not valid before"):
        files.pair.load(datetime(1990, 1, 1, tzinfo=UTC))


def test_the_development_authority_is_made_once_and_its_certificate_when_it_must(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tls"
    first = make_development_ca(folder, ["localhost", "127.0.0.1"], NOW)
    assert [it.name for it in first.made] == ["ca-key.pem", "ca.pem", "server-key.pem", "server.pem"]
    assert {it.stat().st_mode & 0o777 for it in (folder / "ca-key.pem", first.key_file)} == {0o600}
    assert {it.stat().st_mode & 0o777 for it in (folder, folder.parent)} == {0o700}
    assert make_development_ca(folder, ["localhost"], NOW).made == ()
    more = make_development_ca(folder, ["localhost", "field.example.com"], NOW)
    assert [it.name for it in more.made] == ["server-key.pem", "server.pem"]
    assert more.hosts == ("localhost", "field.example.com")
    assert make_development_ca(folder, ["localhost"], more.ends - timedelta(days=29)).made != ()
    authority = x509.load_pem_x509_certificate(first.ca_file.read_bytes())
    x509.load_pem_x509_certificates(more.certificate_file.read_bytes())[0].verify_directly_issued_by(authority)


def test_bad_hosts_and_foreign_authorities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="neither a host name"):
        make_development_ca(tmp_path / "a", ["müller.example"], NOW)
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ConfigurationInvalid, match="delete it to make a new one"):
        make_development_ca(tmp_path, ["localhost"], NOW)


def test_the_command_makes_what_a_server_takes(loop: LoopThread, tmp_path: Path) -> None:
    line = Line(tmp_path)
    made = line.json("tls", "dev-ca", "--host", "field.example.com")
    assert {"localhost", "127.0.0.1", "::1", "field.example.com", socket.gethostname()} <= set(made["hosts"])
    assert line.json("tls", "dev-ca")["made"] == []
    assert 'certificate_file = "' in line.run("tls", "dev-ca").stdout
    tls = TlsSettings(certificate_file=Path(made["certificate_file"]), key_file=Path(made["key_file"]))
    settings = Files(tmp_path).settings(tmp_path / "data").model_copy(update={"tls": tls})
    with running(loop, settings) as server, secure(server, Path(made["ca_file"])) as admin:
        admin.call("organizations", "ListOrganizations", LIST)
