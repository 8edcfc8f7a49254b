"""Secrets of sources at rest: sealed with AES-256-GCM under a key that lies in the data folder, not in the catalog.

Who has the catalog alone, or a copy of it, has no secret. The key file is made at first use, readable by its owner
alone. It can hold several keys while they are being exchanged: the last one seals, all of them open.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from haversack_server.errors import ConfigurationInvalid

KEY_FILE = Path("keys") / "sources.json"

KEY_BYTES = 32
KEY_ID_BYTES = 4
NONCE_BYTES = 12


class Seal:
    """Seals and opens secrets of this data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / KEY_FILE

    def seal(self, organization: str, values: Mapping[str, str]) -> bytes:
        """Seals an organization's secrets; nothing opens them for another one. Raises ConfigurationInvalid."""
        if not values:
            return b""
        key_id, key = list(self._keys(make=True).items())[-1]
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = json.dumps(dict(values), ensure_ascii=False, sort_keys=True).encode()
        return bytes.fromhex(key_id) + nonce + AESGCM(key).encrypt(nonce, content, organization.encode())

    def open(self, organization: str, sealed: bytes) -> dict[str, str]:
        """Opens an organization's secrets; raises ConfigurationInvalid if the key is not here, or they were changed."""
        if not sealed:
            return {}
        key_id, rest = sealed[:KEY_ID_BYTES].hex(), sealed[KEY_ID_BYTES:]
        key = self._keys(make=False).get(key_id)
        if key is None:
            raise ConfigurationInvalid(
                f"the secrets of {organization}'s source are sealed with key {key_id}, which {self._path} does not"
                " have; restore that file from a backup, or set the source again with its secrets"
            )
        try:
            content = AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], organization.encode())
        except InvalidTag as error:
            raise ConfigurationInvalid(
                f"the secrets of {organization}'s source are damaged; set the source again with its secrets"
            ) from error
        opened: dict[str, str] = json.loads(content)
        return opened

    def add_key(self) -> frozenset[str]:
        """Makes a new key, which seals from now on; those before it still open. Returns their ids."""
        with self._alone():
            keys = self._keys(make=False)
            self._write({**keys, **_new_key()})
        return frozenset(keys)

    def drop_keys(self, ids: Collection[str]) -> None:
        """Forgets keys. Nothing may be sealed with them any more."""
        with self._alone():
            self._write({id_: key for id_, key in self._keys(make=False).items() if id_ not in ids})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps whoever else would change the file waiting, in other processes too: a key that is lost stays lost."""
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make_first(self) -> None:
        with self._alone():
            if not self._path.exists():
                self._write(_new_key())

    def _keys(self, *, make: bool) -> dict[str, bytes]:
        """Reads the file each time: another process may have exchanged the keys."""
        if not self._path.exists():
            if not make:
                return {}
            self._make_first()
        try:
            read = json.loads(self._path.read_text(encoding="utf-8"))["keys"]
            return {it["id"]: base64.b64decode(it["key"]) for it in read}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationInvalid(
                f"{self._path} cannot be read: {error}; restore it from a backup, or remove it and set every source"
                " again with its secrets"
            ) from error

    def _write(self, keys: Mapping[str, bytes]) -> None:
        """Replaces the file whole, durably, readable by its owner alone."""
        content = json.dumps({"keys": [{"id": id_, "key": base64.b64encode(keys[id_]).decode()} for id_ in keys]})
        scratch = self._path.with_suffix(f".{os.getpid()}.unfinished")
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self._path)


def _new_key() -> dict[str, bytes]:
    return {secrets.token_hex(KEY_ID_BYTES): AESGCM.generate_key(KEY_BYTES * 8)}
