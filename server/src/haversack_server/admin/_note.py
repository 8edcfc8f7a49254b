"""The note that an author leaves with a publish."""

from __future__ import annotations

from haversack_server.errors import RequestInvalid

NOTE_LENGTH_MAX = 2_000


def checked_note(note: str) -> str:
    """Returns a note; raises RequestInvalid if it is too long to keep."""
    if len(note) > NOTE_LENGTH_MAX:
        raise RequestInvalid(f"the note has {len(note):,} characters; at most {NOTE_LENGTH_MAX:,} are kept")
    return note
