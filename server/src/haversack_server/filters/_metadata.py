"""A model of metadata documents alone."""

from __future__ import annotations

from collections.abc import Iterable

from haversack.model.v1 import model_pb2

from haversack_server.metadata import merge_entity, read_document


def model_of_documents(documents: Iterable[tuple[str, bytes]]) -> model_pb2.Model:
    """Makes a model of documents, each with a name for messages; a later document replaces one of the same entity.

    Raises MetadataInvalid.
    """
    entities = {}
    for name, content in documents:
        document = read_document(name, content)
        entities[document.entity.logical_name] = document.entity
    numbered = [merge_entity(entity, None, number=number) for number, entity in enumerate(entities.values(), start=1)]
    return model_pb2.Model(revision=1, organization="metadata", entities=[it.entity for it in numbered])
