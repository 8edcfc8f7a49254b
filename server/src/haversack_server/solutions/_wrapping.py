"""Filters on their way: Dataverse keeps a whole `<fetch>`, authors here often write the `<filter>` alone."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from haversack_server.errors import SolutionInvalid
from haversack_server.solutions._xml import read_xml

_BEFORE = '<fetch version="1.0" mapping="logical"><entity name={name}>'
_AFTER = "</entity></fetch>"


def wrapped(fetch_xml: str, entity: str) -> str:
    """Puts a bare filter on an entity into a fetch; leaves everything else as it is written."""
    if _is_filter(fetch_xml):
        return _BEFORE.format(name=quoteattr(entity)) + fetch_xml + _AFTER
    return fetch_xml


def unwrapped(fetch_xml: str, entity: str) -> str:
    """Takes a filter out of a fetch that `wrapped` would make, so that it comes back as it was written."""
    before = _BEFORE.format(name=quoteattr(entity))
    inner = fetch_xml.removeprefix(before).removesuffix(_AFTER)
    return inner if wrapped(inner, entity) == fetch_xml else fetch_xml


def _is_filter(text: str) -> bool:
    """Tells whether a text is one filter element, without a declaration before it."""
    if text.lstrip().startswith("<?"):
        return False
    try:
        return read_xml("filter", text.encode()).tag == "filter"
    except SolutionInvalid:
        return False
