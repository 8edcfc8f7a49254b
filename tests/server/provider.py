"""An OpenID Connect provider over real HTTP: its keys rotate, and it can be down."""

from __future__ import annotations

import json
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

KEYS_PATH = "/keys"
POLL_SECONDS = 0.01
DISCOVERY_PATH = "/.well-known/openid-configuration"


class Provider:
    """A provider.

    Attributes:
        status: What it answers with; other than 200 means that it is down.
        asked: How often its keys were asked for.
        pages: What it serves, by path.
    """

    def __init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = provider.answer(self.path)
                self.send_response(provider.status if content is not None else 404)
                self.send_header("content-length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(POLL_SECONDS,), daemon=True)
        self._thread.start()
        self.status = 200
        self.asked = 0
        self.issuer = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.pages: dict[str, bytes] = {
            DISCOVERY_PATH: json.dumps({"issuer": self.issuer, "jwks_uri": self.issuer + KEYS_PATH}).encode()
        }
        self.keys: list[Any] = []
        self.rotate()

    def answer(self, path: str) -> bytes | None:
        if path == KEYS_PATH:
            self.asked += 1
        return self.pages.get(path)

    def rotate(self, kind: str = "ES256") -> None:
        """Makes a new key, with which tokens are signed from now on, and publishes it alone."""
        parameters: Any = {"kid": uuid.uuid4().hex, "alg": kind, "use": "sig"}
        match kind:
            case "RS256":
                key: Any = RSAKey.generate_key(2048, parameters)
            case "ES256":
                key = ECKey.generate_key("P-256", parameters)
            case _:
                key = OKPKey.generate_key("Ed25519", parameters)
        self.keys.append(key)
        self.kind = kind
        self.publish(key)

    def publish(self, *keys: Any) -> None:
        """Shows these keys, their public halves."""
        self.pages[KEYS_PATH] = json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()

    def token(self, *, key: Any = None, **claims: Any) -> str:
        """Signs a token with the newest key, or with this one."""
        signing = key or self.keys[-1]
        now = int(time.time())
        content = {"iss": self.issuer, "aud": "haversack", "sub": "alice", "iat": now, "exp": now + 600, **claims}
        header = {"alg": self.kind, "kid": signing.kid}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            return jwt.encode(header, content, signing, algorithms=[self.kind])

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def providing() -> Iterator[Provider]:
    """Runs a provider while the block runs."""
    provider = Provider()
    try:
        yield provider
    finally:
        provider.stop()
