"""Filters by themselves: checked, put into words, and tried out on rows in memory.

Everything here is the Rust core's answer, which is also that of publishing and of the engine. Functions block.
"""

from haversack_server.filters._metadata import model_of_documents
from haversack_server.filters._trial import matching
from haversack_server.filters._words import check, explain

__all__ = ["check", "explain", "matching", "model_of_documents"]
