"""The entities that decide who may see what, and who may sync."""

from __future__ import annotations

DIRECTORY_ENTITIES = (
    "systemuser",
    "team",
    "teammembership",
    "businessunit",
    "position",
    "role",
    "roleprivileges",
    "systemuserroles",
    "teamroles",
    "principalobjectaccess",
    "usersettings",
)
"""The directory. The attributes that Haversack reads of them are those of the standard documents."""

OFFLINE_PROFILE = "mobileofflineprofile"
"""The entity on which a user needs the right to read in order to sync; its rows do not matter."""

KEEPABLE_ENTITIES = (*DIRECTORY_ENTITIES, OFFLINE_PROFILE)
"""What Haversack keeps itself of an organization with a source outside, where that source does not bring it."""
