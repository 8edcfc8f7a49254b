"""Metadata: from documents in the form of Dataverse's EntityMetadata to the entities of a model.

A document says what an entity looks like *now* (`read_document`). Merging it with what the organization already has
(`merge_entity`) gives each new entity and attribute its number, once and for good: rows are protobuf messages whose
field numbers these are, so a number must mean the same for as long as any row exists.
"""

from haversack_server.metadata._attributes import LOOKUP_TYPES
from haversack_server.metadata._availability import DEFAULT_ORGANIZATION_FILTER, Availability
from haversack_server.metadata._directory import DIRECTORY_ENTITIES, KEEPABLE_ENTITIES, OFFLINE_PROFILE
from haversack_server.metadata._document import (
    COMPANION_SUFFIX,
    Document,
    document_of,
    name_fault,
    read_document,
)
from haversack_server.metadata._numbering import Merged, merge_entity
from haversack_server.metadata._standard import standard_documents, standard_key, standard_names

__all__ = [
    "COMPANION_SUFFIX",
    "DEFAULT_ORGANIZATION_FILTER",
    "DIRECTORY_ENTITIES",
    "KEEPABLE_ENTITIES",
    "LOOKUP_TYPES",
    "OFFLINE_PROFILE",
    "Availability",
    "Document",
    "Merged",
    "document_of",
    "merge_entity",
    "name_fault",
    "read_document",
    "standard_documents",
    "standard_key",
    "standard_names",
]
