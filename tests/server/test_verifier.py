"""`Verifier`: tokens of every algorithm that providers use, signed by another library than the one that checks them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from haversack_server._core import CoreError, Verifier
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

NOW = 1_700_000_000
AUDIENCE = "haversack-admin"
CLAIMS = {"iss": "https://login.example", "aud": [AUDIENCE, "else"], "upn": "ada@contoso.com", "exp": NOW + 60}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@cache
def key(kind: str) -> Any:
    """One key of each kind; making an RSA key takes a while."""
    made: dict[str, Callable[[], Any]] = {
        "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": "ed"}),
        "ES256": lambda: ECKey.generate_key("P-256", {"kid": "p256"}),
        "ES384": lambda: ECKey.generate_key("P-384", {"kid": "p384"}),
        "RSA": lambda: RSAKey.generate_key(2048, {"kid": "rsa"}),
    }
    return made[kind]()


def key_for(algorithm: str) -> Any:
    """The key that signs with an algorithm."""
    return key("RSA" if algorithm in RSA_ALGORITHMS else algorithm)


def entry(**changes: object) -> dict[str, object]:
    """An issuer of an OIDC provider; its keys and what else a test says."""
    return {"issuer": CLAIMS["iss"], "audience": AUDIENCE, "user_claim": "upn", "organization": "contoso", **changes}


def signed(algorithm: str, **claims: object) -> str:
    """A token that names its key."""
    signer = key_for(algorithm)
    header = {"alg": algorithm, "kid": signer.kid}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.encode(header, {**CLAIMS, **claims}, signer, algorithms=[algorithm])


def jwks(*kinds: str) -> object:
    """What a provider publishes."""
    return KeySet([key(kind) for kind in kinds]).as_dict(private=False)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "ES384", *RSA_ALGORITHMS])
def test_every_algorithm_of_a_key_set_is_verified(algorithm: str) -> None:
    issuers = json.dumps([entry(keys=jwks("EdDSA", "ES256", "ES384", "RSA"), algorithms=[algorithm])])
    verifier = Verifier(issuers)
    claims = json.loads(verifier.verify(signed(algorithm), AUDIENCE, NOW))
    assert (claims["sub"], claims["org"], claims["upn"]) == ("ada@contoso.com", "contoso", "ada@contoso.com")
    forged = signed(algorithm)[:-8] + "AAAAAAAA"
    with pytest.raises(CoreError) as refused:
        verifier.verify(forged, AUDIENCE, NOW)
    assert refused.value.reason == "TOKEN_INVALID"


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "ES384", "RS256"])
def test_a_key_in_pem_is_for_what_is_usual_of_its_kind(algorithm: str) -> None:
    pem = key_for(algorithm).as_pem(private=False).decode()
    verifier = Verifier(json.dumps([entry(public_key_pem=pem)]))
    assert verifier.verify(signed(algorithm), AUDIENCE, NOW)
    if algorithm == "RS256":
        with pytest.raises(CoreError, match="PS256"):
            verifier.verify(signed("PS256"), AUDIENCE, NOW)


def test_time_and_audience_are_checked_of_remembered_tokens_too() -> None:
    verifier = Verifier(json.dumps([entry(keys=jwks("ES256"), leeway_seconds=5)]))
    token = signed("ES256", nbf=NOW)
    assert verifier.verify(token, AUDIENCE, NOW - 5)
    for audience, now, reason in [(AUDIENCE, NOW - 6, "TOKEN_INVALID"), ("else", NOW, "TOKEN_INVALID")]:
        with pytest.raises(CoreError) as refused:
            verifier.verify(token, audience, now)
        assert refused.value.reason == reason
    assert verifier.verify(token, AUDIENCE, NOW + 64)
    with pytest.raises(CoreError) as refused:
        verifier.verify(token, AUDIENCE, NOW + 65)
    assert refused.value.reason == "TOKEN_EXPIRED"


@pytest.mark.parametrize("issuers", ["{", "[{}]", json.dumps([entry()]), json.dumps([entry(keys={"keys": []})])])
def test_unusable_issuers_are_refused(issuers: str) -> None:
    with pytest.raises(CoreError) as refused:
        Verifier(issuers)
    assert refused.value.reason == "CONFIGURATION_INVALID"


def test_a_weak_rsa_key_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        pem = RSAKey.generate_key(1024).as_pem(private=False).decode()
    with pytest.raises(CoreError, match="2048 bits"):
        Verifier(json.dumps([entry(public_key_pem=pem)]))
