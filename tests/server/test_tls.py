"""TLS of the sync endpoint: what is shown, to whom, and what is refused before anything is served."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2
from haversack_client import AuthenticationError, Device, UnavailableError
from haversack_client._backoff import Backoff
from haversack_server._core import CoreError, SyncServer

QUICK = Backoff(initial_seconds=0.0, max_seconds=0.0)


def pems(issued: trustme.LeafCert) -> tuple[str, str]:
    """A certificate chain and its private key."""
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return chain.decode(), issued.private_key_pem.bytes().decode()


def config(issued: trustme.LeafCert, **tls: str) -> str:
    """The configuration of a server that shows this certificate."""
    chain, key = pems(issued)
    return json.dumps({"listen": "127.0.0.1:0", "tls": {"certificate_chain_pem": chain, "private_key_pem": key, **tls}})


@contextmanager
def serving(configuration: str) -> Iterator[tuple[SyncServer, str]]:
    """A running server and the host and port that it has, by the name that certificates are for."""
    server = SyncServer(configuration)
    address = server.start()
    try:
        yield server, address.replace("127.0.0.1", "localhost")
    finally:
        server.stop(0.0)


def shown(address: str, authority: trustme.CA, protocols: list[str]) -> tuple[str | None, str | None, bytes | None]:
    """Shakes hands; returns TLS version, protocol and the server's certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(protocols)
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        return encrypted.version(), encrypted.selected_alpn_protocol(), encrypted.getpeercert(binary_form=True)


def check(channel: grpc.Channel) -> health_pb2.HealthCheckResponse:
    """Asks for the server's health."""
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return call(health_pb2.HealthCheckRequest(), timeout=20)


def is_healthy(address: str, credentials: grpc.ChannelCredentials) -> bool:
    """Whether a client with these credentials is served."""
    with grpc.secure_channel(address, credentials) as channel:
        return check(channel).status == health_pb2.HealthCheckResponse.SERVING


def test_a_device_trusts_the_authority_that_it_is_told_of(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    trusted, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    ours.cert_pem.write_to_path(str(trusted))
    theirs.cert_pem.write_to_path(str(other))
    with serving(config(ours.issue_cert("localhost"))) as (_, address):
        with (
            Device.open(tmp_path / "a.db", f"https://{address}", "no token", ca_file=trusted) as device,
            pytest.raises(AuthenticationError, match="TOKEN_INVALID"),
        ):
            device.sync()
        for url, ca_file in [(f"https://{address}", other), (f"http://{address}", None)]:
            with (
                Device.open(tmp_path / "b.db", url, "no token", ca_file=ca_file, backoff=QUICK) as device,
                pytest.raises(UnavailableError),
            ):
                device.sync()
    with pytest.raises(FileNotFoundError):
        Device.open(tmp_path / "c.db", f"https://{address}", "no token", ca_file=tmp_path / "none.pem")


def test_http2_alone_is_spoken_over_tls_of_today() -> None:
    authority = trustme.CA()
    with serving(config(authority.issue_cert("localhost"))) as (_, address):
        version, protocol, _ = shown(address, authority, ["h2", "http/1.1"])
        assert (version, protocol) == ("TLSv1.3", "h2")
        with pytest.raises(ssl.SSLError):
            shown(address, authority, ["http/1.1"])


def test_a_new_certificate_is_shown_to_new_connections() -> None:
    authority = trustme.CA()
    first, second = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    seen = [ssl.PEM_cert_to_DER_cert(it.cert_chain_pems[0].bytes().decode()) for it in (first, second)]
    with serving(config(first)) as (server, address):
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with grpc.secure_channel(address, credentials) as channel:
            assert check(channel)
            assert shown(address, authority, ["h2"])[2] == seen[0]
            server.set_tls(*pems(second))
            assert shown(address, authority, ["h2"])[2] == seen[1]
            assert check(channel), "an open connection goes on"
            with pytest.raises(CoreError) as refused:
                server.set_tls(pems(first)[0], pems(second)[1])
            assert refused.value.reason == "CONFIGURATION_INVALID"
            assert shown(address, authority, ["h2"])[2] == seen[1]


def test_devices_can_be_asked_for_a_certificate_of_their_own() -> None:
    authority, fleet = trustme.CA(), trustme.CA()
    root, (chain, key) = authority.cert_pem.bytes(), pems(fleet.issue_cert("device.example"))
    asking = config(authority.issue_cert("localhost"), client_ca_pem=fleet.cert_pem.bytes().decode())
    with serving(asking) as (_, address):
        assert is_healthy(address, grpc.ssl_channel_credentials(root, key.encode(), chain.encode()))
        with pytest.raises(grpc.RpcError) as refused:
            is_healthy(address, grpc.ssl_channel_credentials(root))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("configuration", "hint"),
    [
        ({}, "`tls` a certificate, or set `plain_text`"),
        ({"plain_text": True, "listen": "0.0.0.0:0"}, "loopback"),
        ({"tls": {"certificate_chain_pem": "", "private_key_pem": ""}}, "no certificate"),
        ({"tls": {"certificate_chain_pem": "CHAIN", "private_key_pem": "none"}}, "unencrypted key"),
        ({"tls": {"certificate_chain_pem": "CHAIN", "private_key_pem": "OTHER"}}, "do not fit"),
        ({"tls": {"certificate_chain_pem": "CHAIN", "private_key_pem": "KEY", "client_ca_pem": ""}}, "client_ca_pem"),
        ({"tls": {"certificate_chain_pem": "CHAIN", "private_key_pem": "KEY"}, "plain_text": True}, "choose one"),
        ({"plain_text": True, "plain_text_anywhere": True}, "plain_text_anywhere"),
    ],
)
def test_what_protects_nothing_is_refused_with_a_way_out(configuration: dict[str, object], hint: str) -> None:
    authority = trustme.CA()
    (chain, key), (_, other) = pems(authority.issue_cert("localhost")), pems(authority.issue_cert("localhost"))
    text = json.dumps({"listen": "127.0.0.1:0", **configuration})
    for word, pem in [("CHAIN", chain), ("KEY", key), ("OTHER", other)]:
        text = text.replace(f'"{word}"', json.dumps(pem))
    with pytest.raises(CoreError, match=hint) as refused:
        SyncServer(text)
    assert refused.value.reason == "CONFIGURATION_INVALID"


def test_a_server_of_plain_text_has_no_certificate_to_replace() -> None:
    with (
        serving(json.dumps({"listen": "127.0.0.1:0", "plain_text": True})) as (server, _),
        pytest.raises(CoreError) as refused,
    ):
        server.set_tls(*pems(trustme.CA().issue_cert("localhost")))
    assert refused.value.reason == "REQUEST_INVALID"


def test_issuers_are_replaced_while_it_runs() -> None:
    with serving(json.dumps({"listen": "127.0.0.1:0", "plain_text": True})) as (server, _):
        with pytest.raises(CoreError) as refused:
            server.set_issuers("[{}]")
        assert refused.value.reason == "CONFIGURATION_INVALID"
        server.set_issuers("[]")
