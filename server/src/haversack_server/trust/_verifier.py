"""Stands in for the core's Verifier until the core has one."""

from __future__ import annotations

import json
import warnings
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, import_key

from haversack_server._core import CoreError


class Verifier:
    """As `_core.Verifier`."""

    def __init__(self, issuers: str) -> None:
        self._entries = [(it, self._keys(it)) for it in json.loads(issuers)]

    @staticmethod
    def _keys(entry: dict[str, Any]) -> list[Any]:
        if "public_key_pem" in entry:
            return [import_key(entry["public_key_pem"], "OKP")]
        return list(KeySet.import_key_set(entry["keys"]).keys)

    def verify(self, token: str, audience: str, now_seconds: int) -> str:
        """As `_core.Verifier.verify`."""
        refusal = "its issuer is not known here"
        for entry, keys in self._entries:
            for key in keys:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", SecurityWarning)
                        decoded = jwt.decode(token, key, algorithms=entry.get("algorithms", ["EdDSA"]))
                except (JoseError, ValueError, TypeError) as error:
                    refusal = str(error)
                    continue
                claims = decoded.claims
                listed = entry.get("audiences", [entry.get("audience")])
                meant = claims.get("aud")
                if claims.get("iss") != entry["issuer"] or audience not in listed:
                    continue
                if audience not in (meant if isinstance(meant, list) else [meant]):
                    refusal = "its audience is another endpoint"
                    continue
                if claims["exp"] <= now_seconds - entry.get("leeway_seconds", 0):
                    raise _failure("TOKEN_EXPIRED", "the token's lifetime is over; get a new one")
                claims["sub"] = claims[entry.get("user_claim", "sub")]
                claims["org"] = entry.get("organization") or claims[entry.get("organization_claim", "org")]
                return json.dumps(claims)
        raise _failure("TOKEN_INVALID", f"the token is not valid: {refusal}; get a new one")


def _failure(reason: str, message: str) -> CoreError:
    error = CoreError(message)
    error.reason = reason
    return error
