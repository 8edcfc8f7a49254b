"""Callers of the admin endpoint, and the roles that they have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

EVERYWHERE = ""
"""The organization of a role that is for all of them."""


class Role(IntEnum):
    """What an administrator may do; each may do all that the ones before it may. As `haversack.admin.v1.Role`."""

    READER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3

    @property
    def word(self) -> str:
        """The role as people write it."""
        return self.name.lower()


@dataclass(frozen=True)
class HeldGrant:
    """A role that a caller has.

    Attributes:
        role: What.
        organization: Where; `EVERYWHERE` means in all.
        granted_by: The subject that gave it, or "settings" or "token".
        granted_at_us: When, in microseconds since the Unix epoch; 0 if nobody knows.
    """

    role: Role
    organization: str
    granted_by: str
    granted_at_us: int = 0


@dataclass(frozen=True)
class Caller:
    """Who calls, as a verified token says.

    Attributes:
        issuer: The `iss` claim.
        subject: Whose token it is.
        grants: Every role, wherever it comes from.
        expires: When the token ends, in seconds since the Unix epoch.
    """

    issuer: str
    subject: str
    grants: tuple[HeldGrant, ...]
    expires: float

    def role_in(self, organization: str) -> Role | None:
        """Returns the strongest role in an organization; `EVERYWHERE` asks for the role in all of them."""
        held = [it.role for it in self.grants if it.organization in (EVERYWHERE, organization)]
        return max(held, default=None)

    def may_see(self, organization: str) -> bool:
        """Whether there is any role in an organization."""
        return self.role_in(organization) is not None
