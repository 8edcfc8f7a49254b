"""Issuers and their keys: whose tokens both endpoints believe, at this moment."""

from haversack_server.trust._key_sets import KeySet, fetch_keys, parse_key_set
from haversack_server.trust._trust import IssuerKeys, Trust

__all__ = ["IssuerKeys", "KeySet", "Trust", "fetch_keys", "parse_key_set"]
