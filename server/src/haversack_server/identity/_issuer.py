"""The development issuer: a key pair in a file, and tokens signed with it."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from haversack_server.places import DEVELOPMENT_ISSUER

SYNC_AUDIENCE = "haversack-sync"
"""The `aud` claim of tokens for devices."""

ADMIN_AUDIENCE = "haversack-admin"
"""The `aud` claim of tokens for administration."""

ANY_ORGANIZATION = "*"
"""The `org` claim of a token that may administer every organization."""

KEY_FILE = Path("keys") / "development-issuer.pem"

SECONDS_PER_HOUR = 3_600


class DevelopmentIssuer:
    """Signs tokens with this data folder's own key."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key

    @classmethod
    def open(cls, data: Path) -> DevelopmentIssuer:
        """Reads the key of a data folder; makes it, readable by its owner alone, if there is none."""
        path = data / KEY_FILE
        if not path.exists():
            _write_key(path, OKPKey.generate_key("Ed25519", private=True))
        return cls(OKPKey.import_key(path.read_bytes()))

    def token(self, *, user: str, organization: str, audience: str, hours: float, role: str = "") -> str:
        """Signs a token for `user` (for a device: a systemuserid) in an organization, good for some hours.

        `role` is what an administrator may do, "administrator" if it is empty.
        """
        now = int(time.time())
        claims: dict[str, str | int] = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": audience,
            "sub": user,
            "org": organization,
            "iat": now,
            "exp": now + int(hours * SECONDS_PER_HOUR),
        }
        if role:
            claims["role"] = role
        with warnings.catch_warnings():
            # RFC 9864 would rather have "Ed25519" in the header; verifiers of today know "EdDSA".
            warnings.simplefilter("ignore", SecurityWarning)
            return jwt.encode({"alg": "EdDSA"}, claims, self._key, algorithms=["EdDSA"])

    def trust(self, audience: str) -> list[dict[str, str]]:
        """Returns the list of issuers that a verifier takes, for one audience."""
        public_key = self._key.as_pem(private=False).decode()
        return [{"issuer": DEVELOPMENT_ISSUER, "audience": audience, "public_key_pem": public_key}]


def _write_key(path: Path, key: OKPKey) -> None:
    """Writes a key whole or not at all; if another process was first, its key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.as_pem(private=True))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
