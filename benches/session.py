"""What every benchmark is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Session:
    """One benchmark's run.

    Attributes:
        quick: Whether to use small sizes.
        folder: A folder of its own, deleted afterwards.
        doing: Tells the user what is going on.
    """

    quick: bool
    folder: Path
    doing: Callable[[str], None]

    def size(self, full: int, quick: int) -> int:
        """One of two sizes."""
        return quick if self.quick else full
