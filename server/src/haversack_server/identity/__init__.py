"""Who may call: tokens of this server's own development issuer.

The issuer's key pair is made at first use, under `keys` in the data folder. Its tokens are for local use and tests;
both endpoints believe it. Tokens are checked by the Rust core, for the admin endpoint too.
"""

from haversack_server.identity._issuer import (
    ADMIN_AUDIENCE,
    ANY_ORGANIZATION,
    KEY_FILE,
    SYNC_AUDIENCE,
    DevelopmentIssuer,
)

__all__ = ["ADMIN_AUDIENCE", "ANY_ORGANIZATION", "KEY_FILE", "SYNC_AUDIENCE", "DevelopmentIssuer"]
