"""What roles a caller has: by the catalog, by the settings, and by claims that the settings map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haversack_server.catalog import Catalog, grants
from haversack_server.errors import TokenInvalid
from haversack_server.identity import ANY_ORGANIZATION
from haversack_server.places import DEVELOPMENT_ISSUER
from haversack_server.security._caller import EVERYWHERE, Caller, HeldGrant, Role
from haversack_server.settings import IssuerSettings, ServerSettings

NAME_LENGTH_MAX = 512
BY_SETTINGS = "settings"
BY_TOKEN = "token"
ROLE_CLAIM = "role"
"""The claim of the development issuer's tokens that names a role; without it, it is administrator."""


class Access:
    """Turns verified claims into a caller."""

    def __init__(self, settings: ServerSettings, catalog: Catalog) -> None:
        self._catalog = catalog
        self._administrators = {(it.issuer, it.subject) for it in settings.administrators}
        self._issuers = {it.issuer: it for it in settings.issuers}

    async def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Returns who calls, with every role that counts now."""
        issuer, subject = _named(claims, "iss"), _named(claims, "sub")
        found = list(self._by_token(issuer, claims))
        if (issuer, subject) in self._administrators:
            found.append(HeldGrant(Role.ADMINISTRATOR, EVERYWHERE, BY_SETTINGS))
        if issuer != DEVELOPMENT_ISSUER:
            async with self._catalog.begin() as connection:
                stored = await grants.of_caller(connection, issuer, subject)
            found += [HeldGrant(Role(it.role), it.organization, it.granted_by, it.granted_at_us) for it in stored]
        return Caller(issuer, subject, tuple(found), float(claims["exp"]))

    def _by_token(self, issuer: str, claims: Mapping[str, Any]) -> Iterator[HeldGrant]:
        if issuer == DEVELOPMENT_ISSUER:
            yield _development_grant(claims)
        elif issuer in self._issuers:
            yield from _mapped(self._issuers[issuer], claims)


def _named(claims: Mapping[str, Any], claim: str) -> str:
    """Returns a claim that can be written down and read by people."""
    value = str(claims[claim])
    if len(value) > NAME_LENGTH_MAX or not value.isprintable():
        raise TokenInvalid(f"the token's {claim} is longer than {NAME_LENGTH_MAX} characters, or not all are printable")
    return value


def _development_grant(claims: Mapping[str, Any]) -> HeldGrant:
    organization = str(claims["org"])
    word = str(claims.get(ROLE_CLAIM, Role.ADMINISTRATOR.word))
    roles = {role.word: role for role in Role}
    if word not in roles:
        raise TokenInvalid(f"the token's role {word!r} is none; use {', '.join(roles)}")
    return HeldGrant(roles[word], EVERYWHERE if organization == ANY_ORGANIZATION else organization, BY_TOKEN)


def _mapped(issuer: IssuerSettings, claims: Mapping[str, Any]) -> Iterator[HeldGrant]:
    """Yields what the values of the roles claim give; values that the settings do not name give nothing."""
    value = claims.get(issuer.roles_claim) if issuer.roles_claim else None
    for each in value if isinstance(value, list) else [value]:
        given = issuer.roles.get(each) if isinstance(each, str) else None
        if given is not None:
            word, _, organization = given.partition("@")
            yield HeldGrant(Role[word.upper()], organization or EVERYWHERE, BY_TOKEN)
