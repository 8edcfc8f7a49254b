"""Keys of encrypted databases, kept by the operating system."""

import secrets
from collections.abc import Callable

from haversack_client._errors import KeyWrongError

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
