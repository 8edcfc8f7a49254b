"""Who is in which profile. Pure: drafts in, moves and sentences out.

A user is in one profile at a time by name. Through teams a user may get several; then a profile that names the user
goes before one that names a team, and the lower priority number before the higher, then the name (see
`Profile.priority`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from haversack.model.v1 import model_pb2

from haversack_server.breaches import sentences
from haversack_server.errors import UserInOtherProfile

OVERLAPS_MAX = 100
"""How many users are named who get several profiles."""


@dataclass(frozen=True)
class Move:
    """A user who leaves one profile's draft for another.

    Attributes:
        user: The user's id.
        from_profile: Name of the profile that had the user.
    """

    user: str
    from_profile: str


def moves(draft: model_pb2.Profile, drafts: Mapping[str, model_pb2.Profile]) -> list[Move]:
    """Returns the users of a draft whom other drafts have too, in its order."""
    elsewhere = {user: name for name, it in drafts.items() if name != draft.name for user in it.users}
    return [Move(user, elsewhere[user]) for user in draft.users if user in elsewhere]


def refuse_moves(found: list[Move], profile: str) -> None:
    """Raises UserInOtherProfile with where every user is, if there is one."""
    if found:
        said = [f"user {it.user} is in profile {it.from_profile}" for it in found]
        hint = f"a user is in one profile at a time; ask to move them to {profile} (`--move`), or leave them out"
        raise UserInOtherProfile(sentences([*said, hint]))


def left_behind(found: list[Move], drafts: Mapping[str, model_pb2.Profile]) -> list[model_pb2.Profile]:
    """Returns the drafts that users leave, without them."""
    leaving: dict[str, set[str]] = {}
    for it in found:
        leaving.setdefault(it.from_profile, set()).add(it.user)
    return [without_members(drafts[name], users) for name, users in leaving.items()]


def with_members(profile: model_pb2.Profile, users: list[str], teams: list[str]) -> model_pb2.Profile:
    """Returns a profile with these members too; those that it has stay where they are."""
    grown = model_pb2.Profile()
    grown.CopyFrom(profile)
    grown.users.extend(it for it in dict.fromkeys(users) if it not in set(profile.users))
    grown.teams.extend(it for it in dict.fromkeys(teams) if it not in set(profile.teams))
    return grown


def without_members(profile: model_pb2.Profile, users: Set[str], teams: Set[str] = frozenset()) -> model_pb2.Profile:
    """Returns a profile without these members."""
    kept = model_pb2.Profile()
    kept.CopyFrom(profile)
    del kept.users[:]
    kept.users.extend(it for it in profile.users if it not in users)
    del kept.teams[:]
    kept.teams.extend(it for it in profile.teams if it not in teams)
    return kept


def overlaps(profiles: Mapping[str, model_pb2.Profile], followers: Mapping[str, Set[str]]) -> Iterator[str]:
    """Yields a sentence for every user who gets several profiles, and says which one wins.

    `followers` are the users whom each profile would have if there were no other, through teams and by name.
    """
    found: dict[str, list[str]] = {}
    for name, users in followers.items():
        for user in users:
            found.setdefault(user, []).append(name)
    several = sorted((user, names) for user, names in found.items() if len(names) > 1)
    named = {name: set(it.users) for name, it in profiles.items()}
    for user, names in several[:OVERLAPS_MAX]:
        ranked = sorted(names, key=lambda it: (user not in named[it], profiles[it].priority, it))
        how = ", ".join(
            f"{it} (by name)" if user in named[it] else f"{it} (by a team, priority {profiles[it].priority})"
            for it in ranked
        )
        yield f"user {user} gets several profiles: {how}; {ranked[0]} wins"
    if len(several) > OVERLAPS_MAX:
        yield f"and {len(several) - OVERLAPS_MAX:,} more users get several profiles"
