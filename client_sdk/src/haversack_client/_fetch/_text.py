"""How texts compare, and patterns of `like`: functions that SQLite is given.

Texts are folded to one spelling and then compared by code points: canonical decomposition, without accents where these
do not count, simple case folding of every character, canonical composition. Patterns are T-SQL's: `%` is any text, `_`
one character, `[a-c]` and `[abc]` one of these, `[^a-c]` one that is none of these; there is no escape character.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from haversack_client._connections import Connection
from haversack_client._fetch._caller import Collation
from haversack_client._fetch._errors import excerpt, invalid

PATTERN_BYTES_MAX = 8_000
PATTERNS_REMEMBERED = 64

SIMPLE_FOLDS = {"\ufb05": "\ufb06"}
"""Simple case folding where neither full case folding nor lower case gives it: of the ligature of long s and t."""

_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")


def fold(text: str, collation: Collation) -> str:
    """A text as it is compared."""
    if text.isascii():
        return text.lower()
    bare = unicodedata.normalize("NFD", text)
    if collation is Collation.ACCENTS_IGNORED:
        bare = _ACCENTS.sub("", bare)
    return unicodedata.normalize("NFC", "".join(map(_fold_letter, bare)))


@lru_cache(maxsize=4096)
def _fold_letter(letter: str) -> str:
    """Simple case folding, which never makes two characters of one: where Python's would, lower case is the same."""
    folded = letter.casefold()
    if len(folded) == 1:
        return folded
    lower = SIMPLE_FOLDS.get(letter, letter.lower())
    return lower if len(lower) == 1 else letter


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a pattern without `%`: as many characters as `length`."""

    letters: re.Pattern[str]
    length: int

    @classmethod
    def of(cls, letters: list[str]) -> "Piece":
        """A piece of these, each a regular expression for one character."""
        return cls(re.compile("".join(letters), re.DOTALL), len(letters))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern cut at its `%`: the first piece begins a text, the last ends it, the others lie between in order."""

    pieces: tuple[Piece, ...]

    @classmethod
    def parse(cls, folded: str) -> "Pattern":
        """Reads a folded pattern. Raises FetchError if it is not sound."""
        pieces: list[Piece] = []
        letters: list[str] = []
        at = 0
        while at < len(folded):
            letter = folded[at]
            at += 1
            if letter == "%":
                pieces.append(Piece.of(letters))
                letters = []
            elif letter == "[":
                letters.append(_bracket(folded, at))
                at = folded.index("]", at) + 1
            else:
                letters.append("." if letter == "_" else re.escape(letter))
        return cls((*pieces, Piece.of(letters)))

    def matches(self, text: str) -> bool:
        """Whether a folded text fits. Each piece is taken as early as it comes, which is enough."""
        first, *others = self.pieces
        if not others:
            return first.letters.fullmatch(text) is not None
        found = first.letters.match(text)
        for piece in others[:-1]:
            if not found:
                return False
            found = piece.letters.search(text, found.end())
        if not found:
            return False
        start = len(text) - others[-1].length
        return start >= found.end() and others[-1].letters.fullmatch(text, start) is not None


def _bracket(folded: str, start: int) -> str:
    """A bracket's content as a class of a regular expression."""
    end = folded.find("]", start)
    if end < 0:
        raise invalid(
            f'the pattern "{excerpt(folded)}" opens a bracket that it never closes; write [[] for a literal bracket'
        )
    inside = folded[start:end]
    negated = inside.startswith("^")
    letters = inside[1:] if negated else inside
    if not letters:
        raise invalid(f'the pattern "{excerpt(folded)}" has brackets around nothing; put characters between them')
    ranges, at = [], 0
    while at < len(letters):
        is_range = at + 2 < len(letters) and letters[at + 1] == "-"
        first, last = letters[at], letters[at + 2] if is_range else letters[at]
        if first <= last:
            ranges.append(f"{re.escape(first)}-{re.escape(last)}")
        at += 3 if is_range else 1
    if not ranges:
        return "." if negated else "(?!)."
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def check_pattern(text: str) -> None:
    """Raises FetchError if a pattern is too long or not sound.

    It is read as it is matched, folded, and without accents as on the server: a bracket around nothing but an accent is
    one around nothing. What is sound without them is sound with them too.
    """
    if len(text.encode()) > PATTERN_BYTES_MAX:
        raise invalid(f'the pattern "{excerpt(text)}" is longer than {PATTERN_BYTES_MAX} bytes; shorten it')
    Pattern.parse(fold(text, Collation.ACCENTS_IGNORED))


def give_functions(connection: Connection, collation: Collation) -> None:
    """Gives a connection what compiled queries compare texts and decimals with.

    `haversack_fold(text)`; `haversack_like(text, pattern)`, the pattern checked before; COLLATE `haversack_text`, under
    which texts are equal as `eq` finds them; COLLATE `haversack_decimal`. SQLite reports an exception in one of these
    as an error of its own that says nothing, so none may raise.
    """

    def folded(text: object) -> object:
        return fold(text, collation) if isinstance(text, str) else text

    @lru_cache(maxsize=PATTERNS_REMEMBERED)
    def pattern(text: str) -> Pattern:
        return Pattern.parse(fold(text, collation))

    def like(text: object, operand: str) -> object:
        return pattern(operand).matches(fold(text, collation)) if isinstance(text, str) else None

    def compare(left: str, right: str) -> int:
        first, second = (fold(text, collation).rstrip(" ") for text in (left, right))
        return (first > second) - (first < second)

    functions: list[tuple[str, int, Callable[..., object]]] = [
        ("haversack_fold", 1, folded),
        ("haversack_like", 2, like),
    ]
    for name, arguments, function in functions:
        connection.create_function(name, arguments, function, deterministic=True)  # type: ignore[arg-type]
    connection.create_collation("haversack_text", compare)
    connection.create_collation("haversack_decimal", _compare_decimals)


def _compare_decimals(left: str, right: str) -> int:
    """The order of exact decimals; text that is none, which only a foreign hand can have written, orders as text."""
    try:
        first, second = Decimal(left), Decimal(right)
        return (first > second) - (first < second)
    except InvalidOperation:  # Of "NaN" too, but only once it is compared.
        return (left > right) - (left < right)
