"""A new model changes the tables; rows of what stays are kept."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from client.wire import ACCOUNT, CONTACT, Attribute, Entity, batch, model, row_id
from haversack.model.v1 import model_pb2
from haversack_client._held import EntityState
from haversack_client._model import CarriedModel
from haversack_client._operations import AdoptModel, BuildIndexes, PutRows
from haversack_client._reader import open_read_only, read_status
from haversack_client._rows import RowDecoder
from haversack_client._store import Store

T = model_pb2.AttributeType
NAME, REVENUE = ACCOUNT.attributes[1:]


class Device:
    """A store and the model that it follows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self.store.begin_session()

    def adopt(self, *entities: Entity) -> None:
        self.model = CarriedModel.from_message(model(*entities))
        self.store.commit([AdoptModel(self.model)])

    def put(self, entity: Entity, ordinal: int, lsn: int, **values: object) -> None:
        row = {entity.attributes[0].name: row_id(ordinal)} | values
        rows = batch(entity, {ordinal: lsn}, [row]).rows
        self.store.commit([PutRows(entity.number, RowDecoder(self.model).decode(rows))])

    def rows(self, entity: str) -> list[dict[str, object]]:
        with closing(open_read_only(self.path)) as connection:
            return [dict(row) for row in connection.execute(f'SELECT * FROM "{entity}" ORDER BY _ordinal')]

    def tables(self) -> set[str]:
        with closing(open_read_only(self.path)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {row[0] for row in names if not row[0].startswith("_haversack")}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "device.sqlite3")
    made.adopt(ACCOUNT, CONTACT)
    made.put(ACCOUNT, 1, 10, name="a", revenue="1.5")
    made.put(CONTACT, 1, 11, fullname="c")
    made.store.commit([BuildIndexes({ACCOUNT.number, CONTACT.number})])
    yield made
    assert read_status(made.path, verify=True).verified
    with closing(Store(made.path)) as reopened:
        assert reopened.model == made.model
    made.store.close()


def account(*attributes: Attribute, number: int = ACCOUNT.number, name: str = ACCOUNT.name) -> Entity:
    return Entity(number, name, (ACCOUNT.attributes[0], *attributes))


def test_tables_come_and_go(device: Device) -> None:
    lead = Entity(20, "lead", (Attribute(1, "leadid", T.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER), Attribute(2, "subject", 1)))
    device.adopt(lead, ACCOUNT)
    assert device.tables() == {"lead", "account"}
    assert list(device.store.blocks()) == [ACCOUNT.number]
    assert device.store.entities()[lead.number] == EntityState(0, 0)
    device.put(lead, 4, 40, subject="new")
    assert [row["name"] for row in device.rows("account")] == ["a"]


def test_columns_come_and_go(device: Device) -> None:
    wider = account(REVENUE, Attribute(9, "createdon", T.ATTRIBUTE_TYPE_DATETIME))
    device.adopt(wider, CONTACT)
    (row,) = device.rows("account")
    assert {key: row[key] for key in row if key != "accountid"} == {
        "_ordinal": 1,
        "_lsn": 10,
        "revenue": "1.5",
        "createdon": None,
    }
    device.put(wider, 1, 12, createdon=0)
    assert device.rows("account")[0]["createdon"] == "1970-01-01 00:00:00"


def test_a_column_that_changed_its_type_starts_empty(device: Device) -> None:
    device.adopt(account(Attribute(NAME.number, "name", T.ATTRIBUTE_TYPE_INTEGER), REVENUE), CONTACT)
    (row,) = device.rows("account")
    assert (row["name"], row["revenue"]) == (None, "1.5")


def test_names_that_changed_places_lose_their_values(device: Device) -> None:
    device.adopt(account(Attribute(NAME.number, "revenue", 1), Attribute(REVENUE.number, "name", 1)), CONTACT)
    (row,) = device.rows("account")
    assert (row["name"], row["revenue"]) == (None, None)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(account(NAME, number=77), id="another entity of the same name"),
        pytest.param(account(NAME, name="customer"), id="another name"),
        pytest.param(
            Entity(ACCOUNT.number, "account", (Attribute(8, "key", T.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER), NAME)),
            id="another primary id",
        ),
    ],
)
def test_an_entity_that_is_no_longer_the_same_starts_over(device: Device, changed: Entity) -> None:
    device.adopt(changed, CONTACT)
    assert device.rows(changed.name) == []
    assert device.store.entities()[changed.number] == EntityState(0, 0)
    assert list(device.store.blocks()) == [CONTACT.number]
    device.put(changed, 3, 30, name="b")


def test_entities_that_changed_names(device: Device) -> None:
    device.adopt(
        Entity(ACCOUNT.number, "contact", ACCOUNT.attributes), Entity(CONTACT.number, "account", CONTACT.attributes)
    )
    assert device.rows("account") == device.rows("contact") == []


def test_the_same_model_again_changes_nothing(device: Device) -> None:
    before = device.rows("account")
    device.adopt(ACCOUNT, CONTACT)
    assert device.rows("account") == before


def test_names_that_are_words_of_sql(device: Device) -> None:
    odd = Entity(5, "order", (Attribute(1, "group", T.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER), Attribute(2, 'a "b" c', 1)))
    device.adopt(odd)
    device.put(odd, 1, 1, **{'a "b" c': "x"})
    device.put(odd, 1, 2, **{'a "b" c': "y"})
    device.store.commit([BuildIndexes({odd.number})])
    assert device.rows("order")[0]['a "b" c'] == "y"
