"""Keys of encrypted databases: kept by the operating system, and exchanged for others."""

import secrets
from collections.abc import Callable
from contextlib import closing
from os import PathLike
from pathlib import Path

from haversack_client._connections import Key, connect, quoted_key, store_errors
from haversack_client._errors import KeyWrongError
from haversack_client._reader import open_read_only

KEY_BYTES = 32


def keyring_key(name: str, *, service: str = "haversack") -> Callable[[], str]:
    """What gives the key of a database from the operating system's keyring, for `Device.open(key=...)`.

    A key that is not there yet is drawn and kept. Needs `haversack-client[encrypted]`.

    Args:
        name: Under which name the key is kept: one for each database.
        service: Under which service.

    What is returned raises KeyWrongError if the keyring cannot be used.
    """

    def key() -> str:
        try:
            import keyring
            from keyring.errors import KeyringError
        except ImportError as error:
            raise KeyWrongError("the keyring needs haversack-client[encrypted]; install it, or give a key") from error
        try:
            found = keyring.get_password(service, name)
            if found is None:
                found = secrets.token_hex(KEY_BYTES)
                keyring.set_password(service, name, found)
        except KeyringError as error:
            raise KeyWrongError(f"the keyring of this system cannot be used: {error}; give a key instead") from error
        return found

    return key


def change_key(path: str | PathLike[str], key: Key, new_key: Key) -> None:
    """Encrypts an encrypted database with another key; the old one opens it no more. No device may have it open.

    Raises:
        KeyWrongError: `key` is not the file's, the file is not encrypted, or `new_key` cannot be one.
        StoreError: There is no such database, or it is open elsewhere.
    """
    file = Path(path)
    open_read_only(file, key).close()
    quoted = quoted_key(new_key)
    with closing(connect(file, key)) as connection, store_errors(file):
        # Pages in the log are encrypted with the key of their time; without a log there are none.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(f"PRAGMA rekey = {quoted}")
    open_read_only(file, new_key).close()
