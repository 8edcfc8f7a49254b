"""Tokens of OpenID Connect providers: their keys, how these rotate, and what roles their bearers have."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import admin_pb2, security_pb2
from haversack.sync.v1 import sync_pb2
from haversack_server.errors import ConfigurationInvalid, TokenInvalid
from haversack_server.identity import ADMIN_AUDIENCE, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.settings import AdministratorSettings, IssuerSettings, Mode, ServerSettings
from haversack_server.trust import Trust, _trust, fetch_keys
from haversack_server.trust._key_sets import DOCUMENT_BYTES_MAX
from server.provider import DISCOVERY_PATH, KEYS_PATH, Provider, providing
from server.refusals import reason_of, refused
from server.running import STEP_SECONDS_MAX, Admin, LoopThread, RunningServer, running

CODE = grpc.StatusCode
LIST = admin_pb2.ListOrganizationsRequest()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing() as started:
        yield started


def production(data: Path, *issuers: IssuerSettings, **more: Any) -> ServerSettings:
    return ServerSettings(
        data=data,
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        plain_text=True,
        issuers=issuers,
        stop_grace_seconds=1,
        **more,
    )


def entry(provider: Provider, **more: Any) -> IssuerSettings:
    return IssuerSettings(**{"issuer": provider.issuer, "audiences": ("haversack",), "algorithms": ("ES256",), **more})


def caller(server: RunningServer, token: str) -> security_pb2.GetCallerResponse:
    answer: security_pb2.GetCallerResponse = server.admin(token).call(
        "access", "GetCaller", security_pb2.GetCallerRequest()
    )
    return answer


def test_production_believes_its_issuers_and_not_the_development_issuer(
    provider: Provider, loop: LoopThread, tmp_path: Path
) -> None:
    with running(loop, production(tmp_path, entry(provider))) as server:
        assert caller(server, provider.token()).subject == "alice"
        minted = DevelopmentIssuer.open(tmp_path).token(user="x", organization="*", audience=ADMIN_AUDIENCE, hours=1)
        with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
            caller(server, minted)


def test_roles_come_from_settings_claims_and_the_catalog(provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    mapped = entry(provider, roles_claim="groups", roles={"ops": "operator@acme", "boss": "administrator"})
    root = AdministratorSettings(issuer=provider.issuer, subject="root")
    with running(loop, production(tmp_path, mapped, administrators=(root,))) as server:
        boss = server.admin(provider.token(sub="root"))
        for name in ("acme", "beta"):
            boss.call("organizations", "CreateOrganization", admin_pb2.CreateOrganizationRequest(name=name))
        [grant] = caller(server, provider.token(sub="root")).grants
        assert (grant.organization, grant.granted_by) == ("", "settings")
        operator = server.admin(provider.token(groups=["guests", "ops", 7]))
        assert names(operator) == ["acme"]
        assert names(server.admin(provider.token(groups="boss"))) == ["acme", "beta"]
        alice = server.admin(provider.token(sub="alice"))
        with refused(CODE.PERMISSION_DENIED, "TOKEN_NOT_ALLOWED"):
            names(alice)
        request = security_pb2.GrantRoleRequest(
            organization="beta", issuer=provider.issuer, subject="alice", role="ROLE_READER"
        )
        boss.call("access", "GrantRole", request)
        assert names(alice) == ["beta"]
        revoke = security_pb2.RevokeRoleRequest(organization="beta", issuer=provider.issuer, subject="alice")
        boss.call("access", "RevokeRole", revoke)
        with refused(CODE.PERMISSION_DENIED, "TOKEN_NOT_ALLOWED"):
            names(alice)


def names(admin: Admin) -> list[str]:
    return [it.name for it in admin.call("organizations", "ListOrganizations", LIST).organizations]


def test_a_rotated_key_is_fetched_when_a_token_names_it(
    provider: Provider, loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trust, "UNKNOWN_KEY_SECONDS_MIN", 0.0)
    with running(loop, production(tmp_path, entry(provider, algorithms=("RS256", "ES256", "EdDSA")))) as server:
        old = provider.token()
        assert caller(server, old).subject == "alice"
        for kind in ("RS256", "EdDSA", "ES256"):
            provider.rotate(kind)
            assert caller(server, provider.token()).subject == "alice"
        with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
            caller(server, old)


def test_tokens_with_unknown_keys_do_not_make_the_provider_be_asked_each_time(
    provider: Provider, loop: LoopThread, tmp_path: Path
) -> None:
    with running(loop, production(tmp_path, entry(provider))) as server:
        asked = provider.asked
        shown = provider.pages[KEYS_PATH]
        provider.rotate()
        provider.pages[KEYS_PATH] = shown
        for _ in range(20):
            with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
                caller(server, provider.token())
        assert provider.asked == asked


def test_a_provider_that_is_down_takes_nothing_away(provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    settings = production(tmp_path, entry(provider))
    with running(loop, settings) as server:
        assert caller(server, provider.token()).subject == "alice"
    provider.status = 500
    with running(loop, settings) as server:
        assert caller(server, provider.token()).subject == "alice"


def test_a_server_starts_without_its_provider_and_says_so_to_callers(
    provider: Provider, loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.status = 500
    with running(loop, production(tmp_path, entry(provider))) as server:
        with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID", "could not be had yet"):
            caller(server, provider.token())
        provider.status = 200
        monkeypatch.setattr(_trust, "UNKNOWN_KEY_SECONDS_MIN", 0.0)
        assert caller(server, provider.token()).subject == "alice"


def forged(provider: Provider) -> dict[str, str]:
    """Tokens that must not be believed."""
    other = Provider()
    other.stop()
    now = int(time.time())
    return {
        "another provider's key": other.token(iss=provider.issuer),
        "another audience": provider.token(aud="somebody else"),
        "another issuer": provider.token(iss="https://evil.example.com/"),
        "an algorithm that is not allowed": unsigned(provider),
        "nothing but dots": "..",
        "no JSON": "YQ.YQ.YQ",
        "no object": "W10.W10.YQ",
        "too old": provider.token(exp=now - 1),
        "no end": provider.token(exp=None),
    }


def unsigned(provider: Provider) -> str:
    """A token that says that it needs no signature."""
    _, claims, _ = provider.token().split(".")
    return "eyJhbGciOiJub25lIn0." + claims + "."


def test_forged_tokens_are_refused(provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    with running(loop, production(tmp_path, entry(provider))) as server:
        for what, token in forged(provider).items():
            with pytest.raises(grpc.RpcError) as refusal:
                caller(server, token)
            assert refusal.value.code() is CODE.UNAUTHENTICATED, what


def test_one_of_several_audiences_is_enough_and_administration_may_have_its_own(
    provider: Provider, loop: LoopThread, tmp_path: Path
) -> None:
    both = entry(provider, audiences=("devices",), admin_audiences=("one", "two"))
    with running(loop, production(tmp_path, both)) as server:
        for audience in ("one", "two", ["x", "two"]):
            assert caller(server, provider.token(aud=audience)).subject == "alice"
        with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
            caller(server, provider.token(aud="devices"))


def test_the_subject_can_be_another_claim(provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    with running(loop, production(tmp_path, entry(provider, subject_claim="email"))) as server:
        assert caller(server, provider.token(email="alice@example.com")).subject == "alice@example.com"


def test_keys_in_a_file_are_read_again(loop: LoopThread, provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(provider.pages[KEYS_PATH])
    settings = ServerSettings(data=tmp_path, issuers=(entry(provider, jwks_file=Path("keys.json")),))

    async def check() -> None:
        trust = Trust(settings, None)
        await trust.start()
        assert (await trust.claims(provider.token()))["sub"] == "alice"
        provider.rotate()
        with pytest.raises(TokenInvalid):
            await trust.claims(provider.token())
        file.write_bytes(provider.pages[KEYS_PATH])
        for issuer in trust.issuers:
            issuer.tried_at = float("-inf")
        assert (await trust.claims(provider.token()))["sub"] == "alice"
        assert json.loads(trust.sync_issuers())[0]["issuer"] == provider.issuer

    loop.run(check())
    assert provider.asked == 0


Break = Callable[[Provider], None]


def page(path: str, content: bytes) -> Break:
    def do(provider: Provider) -> None:
        provider.pages[path] = content

    return do


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (page(KEYS_PATH, b"<html>"), "is not JSON"),
        (page(KEYS_PATH, b"[]"), "is not a JSON object"),
        (page(KEYS_PATH, b"{}"), "has no `keys`"),
        (page(KEYS_PATH, b'{"keys": []}'), "has no `keys`"),
        (page(KEYS_PATH, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'), "only shared secrets"),
        (page(KEYS_PATH, json.dumps({"keys": [{"kty": "RSA"}] * 101}).encode()), "101 keys"),
        (page(KEYS_PATH, b" " * (DOCUMENT_BYTES_MAX + 1)), "more than"),
        (page(DISCOVERY_PATH, b'{"issuer": "https://evil.example.com/"}'), "is about issuer"),
        (lambda it: it.pages.pop(KEYS_PATH) and None, "answered 404"),
    ],
)
def test_what_is_no_key_set_is_refused(
    broken: Break, says: str, provider: Provider, loop: LoopThread, tmp_path: Path
) -> None:
    broken(provider)
    with pytest.raises(ConfigurationInvalid, match=says):
        loop.run(fetch_keys(entry(provider), tmp_path))


@pytest.mark.parametrize("url", ["http://login.example.com/keys", "file:///etc/passwd", "ftp://127.0.0.1/", "nonsense"])
def test_keys_come_over_https_alone(url: str, provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="use https, or http on loopback"):
        loop.run(fetch_keys(entry(provider, jwks_url=url), tmp_path))
    redirected = json.dumps({"issuer": provider.issuer, "jwks_uri": url}).encode()
    provider.pages[DISCOVERY_PATH] = redirected
    with pytest.raises(ConfigurationInvalid, match="use https, or http on loopback"):
        loop.run(fetch_keys(entry(provider), tmp_path))


def test_private_halves_of_keys_are_not_kept(provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    private = provider.keys[0].as_dict(private=True)
    assert "d" in private
    provider.pages[KEYS_PATH] = json.dumps({"keys": [private]}).encode()
    kept = json.loads(loop.run(fetch_keys(entry(provider), tmp_path)).text)["keys"][0]
    assert set(kept) & {"d", "p", "q", "dp", "dq", "qi"} == set()


def test_the_development_issuer_s_name_is_taken() -> None:
    with pytest.raises(ValueError, match="development issuer's name"):
        IssuerSettings(issuer="haversack-development", audiences=("x",))


def test_a_development_server_may_believe_others_too(provider: Provider, loop: LoopThread, tmp_path: Path) -> None:
    settings = production(tmp_path, entry(provider)).model_copy(update={"mode": Mode.DEVELOPMENT})
    with running(loop, settings) as server:
        assert caller(server, provider.token()).subject == "alice"
        assert caller(server, server.admin_token()).issuer == "haversack-development"


def device_outcome(server: RunningServer, token: str) -> str:
    """Why the sync endpoint refuses a device of no organization: first for its token, then for the rest."""
    with grpc.insecure_channel(server.settings.sync_listen) as channel:
        call: Any = channel.unary_stream(
            "/haversack.sync.v1.SyncService/Sync",
            request_serializer=sync_pb2.SyncRequest.SerializeToString,
            response_deserializer=sync_pb2.SyncEvent.FromString,
        )
        request = sync_pb2.SyncRequest(install_id=b"i" * 16)
        with pytest.raises(grpc.RpcError) as refusal:
            list(call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=STEP_SECONDS_MAX))
    return reason_of(refusal.value)


def test_devices_sign_in_at_the_same_issuers(
    provider: Provider, loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trust, "UNKNOWN_KEY_SECONDS_MIN", 0.0)
    user = "4103c891-37e8-4dfc-aeac-b55e2bc1be1c"
    mapped = entry(provider, user_claim="oid", organization="nobody", refresh_seconds=86_400)
    with running(loop, production(tmp_path, mapped)) as server:
        assert device_outcome(server, provider.token(oid=user)) == "ORGANIZATION_UNKNOWN"
        assert device_outcome(server, provider.token()) == "TOKEN_INVALID"
        minted = DevelopmentIssuer.open(tmp_path).token(user=user, organization="x", audience=SYNC_AUDIENCE, hours=1)
        assert device_outcome(server, minted) == "TOKEN_INVALID"
        provider.rotate()
        assert device_outcome(server, provider.token(oid=user)) == "TOKEN_INVALID"
        caller(server, provider.token())
        assert device_outcome(server, provider.token(oid=user)) == "ORGANIZATION_UNKNOWN"
