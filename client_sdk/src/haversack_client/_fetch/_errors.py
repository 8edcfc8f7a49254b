"""Errors of queries, named as a server names those of filters."""

from haversack_client._errors import FetchError

EXCERPT_LENGTH_MAX = 80


def excerpt(text: str) -> str:
    """A text short enough for a message."""
    return text if len(text) <= EXCERPT_LENGTH_MAX else f"{text[:EXCERPT_LENGTH_MAX]}…"


def malformed(message: str) -> FetchError:
    """The document is not well-formed FetchXML."""
    return FetchError("FILTER_MALFORMED", message)


def invalid(message: str) -> FetchError:
    """An operand is missing, surplus, or not a value of the attribute's type."""
    return FetchError("FILTER_OPERAND_INVALID", message)


def unsupported(message: str) -> FetchError:
    """A device cannot answer this."""
    return FetchError("FILTER_UNSUPPORTED", message)


def too_large(message: str) -> FetchError:
    """The document is larger or deeper than a named limit."""
    return FetchError("FILTER_TOO_LARGE", message)
