"""Models become tables, and models that cannot are refused."""

from collections.abc import Callable

import pytest
from client.wire import ACCOUNT, CONTACT, Attribute, Entity, model
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2
from haversack_client import ProtocolError
from haversack_client._model import COLUMNS_MAX, ENTITIES_MAX, CarriedModel, Kind
from haversack_client._rows import RowDecoder

T = model_pb2.AttributeType


def test_tables_in_download_order() -> None:
    carried = CarriedModel.from_message(model(CONTACT, ACCOUNT, version=5, revision=6))
    assert (carried.version, carried.revision) == (5, 6)
    assert [table.name for table in carried.tables.values()] == ["contact", "account"]
    account = carried.tables[ACCOUNT.number]
    assert [(column.name, column.number, column.kind) for column in account.columns] == [
        ("accountid", 1, Kind.ID),
        ("name", 2, Kind.TEXT),
        ("revenue", 3, Kind.TEXT),
    ]
    assert (account.primary_id, account.mandatory) == ("accountid", False)
    assert carried.tables[CONTACT.number].mandatory


def test_what_is_stored_is_read_back() -> None:
    carried = CarriedModel.from_message(model(CONTACT, ACCOUNT))
    assert CarriedModel.parse(carried.serialized) == carried


def test_every_attribute_type_has_a_column_type() -> None:
    attributes = [Attribute(number, f"a{number}", kind) for number, kind in enumerate(T.values(), 1) if kind]
    carried = CarriedModel.from_message(model(Entity(1, "all", tuple(attributes))))
    types = {column.kind.sql_type for column in carried.tables[1].columns}
    assert types == {"TEXT", "INTEGER", "REAL"}


def first(change: Callable[[sync_pb2.CarriedEntity], object]) -> sync_pb2.Model:
    """A good model whose first entity is changed."""
    good = model(ACCOUNT, CONTACT)
    change(good.entities[0])
    return good


def attribute(name: str, number: int = 50) -> sync_pb2.CarriedAttribute:
    return sync_pb2.CarriedAttribute(number=number, logical_name=name, type=T.ATTRIBUTE_TYPE_STRING)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: setattr(it, "logical_name", "contact"), id="one name twice"),
        pytest.param(lambda it: setattr(it, "logical_name", "CONTACT"), id="names that SQLite takes for one"),
        pytest.param(lambda it: setattr(it, "logical_name", "sqlite_master"), id="a name of SQLite's"),
        pytest.param(lambda it: setattr(it, "logical_name", "_haversack_meta"), id="a name of ours"),
        pytest.param(lambda it: setattr(it, "logical_name", ""), id="no name"),
        pytest.param(lambda it: setattr(it, "logical_name", "a\x00b"), id="a zero in a name"),
        pytest.param(lambda it: setattr(it, "logical_name", "a" * 129), id="a long name"),
        pytest.param(lambda it: setattr(it, "entity", CONTACT.number), id="one number twice"),
        pytest.param(lambda it: setattr(it, "entity", 0), id="no number"),
        pytest.param(lambda it: setattr(it, "primary_id_attribute", "other"), id="no primary id"),
        pytest.param(lambda it: it.attributes.append(attribute("_ordinal")), id="a column of ours"),
        pytest.param(lambda it: it.attributes.append(attribute("Name")), id="one column twice"),
        pytest.param(lambda it: it.attributes.append(attribute("other", 1)), id="one field twice"),
        pytest.param(lambda it: setattr(it.attributes[1], "type", 0), id="no type"),
        pytest.param(
            lambda it: it.attributes.extend(attribute(f"c{n}", 100 + n) for n in range(COLUMNS_MAX)), id="too wide"
        ),
    ],
)
def test_models_that_cannot_be_tables(change: Callable[[sync_pb2.CarriedEntity], object]) -> None:
    with pytest.raises(ProtocolError):
        CarriedModel.from_message(first(change))


def test_too_many_entities() -> None:
    with pytest.raises(ProtocolError, match=str(ENTITIES_MAX)):
        CarriedModel.from_message(sync_pb2.Model(entities=[sync_pb2.CarriedEntity()] * (ENTITIES_MAX + 1)))


def test_stored_bytes_that_are_no_model() -> None:
    with pytest.raises(ProtocolError, match="cannot be parsed"):
        CarriedModel.parse(b"\xff")


def without_presence() -> sync_pb2.Model:
    damaged = model(ACCOUNT)
    damaged.descriptors = damaged.descriptors.replace(b"proto3", b"proto9")
    return damaged


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(sync_pb2.Model(entities=model(ACCOUNT).entities), id="no descriptors"),
        pytest.param(
            sync_pb2.Model(entities=model(ACCOUNT).entities, descriptors=b"\xff"), id="descriptors that are none"
        ),
        pytest.param(
            sync_pb2.Model(entities=model(ACCOUNT).entities, descriptors=model(CONTACT).descriptors),
            id="descriptors of another model",
        ),
        pytest.param(without_presence(), id="an unknown syntax"),
    ],
)
def test_descriptors_that_do_not_fit(damaged: sync_pb2.Model) -> None:
    with pytest.raises(ProtocolError, match="descriptors"):
        RowDecoder(CarriedModel.from_message(damaged))


def test_fields_that_cannot_tell_null() -> None:
    good = model(ACCOUNT)
    from google.protobuf import descriptor_pb2

    files = descriptor_pb2.FileDescriptorSet.FromString(good.descriptors)
    for field in files.file[0].message_type[0].field:
        field.ClearField("proto3_optional")
        field.ClearField("oneof_index")
    files.file[0].message_type[0].ClearField("oneof_decl")
    good.descriptors = files.SerializeToString()
    with pytest.raises(ProtocolError, match="cannot tell NULL"):
        RowDecoder(CarriedModel.from_message(good))
