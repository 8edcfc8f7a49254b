"""FetchXML over the local rows."""
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""


class Fetch:
    def __init__(self, connection, caller):
        pass
