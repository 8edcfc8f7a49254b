"""What services say of their entities, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.connectors.odata._csdl import read_csdl
from haversack_server.connectors.odata._documents import documents
from haversack_server.connectors.odata._mapping import read_mapping
from haversack_server.connectors.odata._settings import read_settings
from haversack_server.connectors.odata._shapes import read_shapes
from haversack_server.errors import MappingInvalid, SourceAnswerInvalid, SourceInvalid
from haversack_server.metadata import document_of
from server.odata_fixture import OdataFixture, serving
from server.odata_model import Served, dataverse, golden, metadata, shop
from server.odata_world import OdataWorld


@pytest.fixture
def fixture() -> Iterator[OdataFixture]:
    with serving(OdataFixture()) as started:
        yield started


def attribute(world: OdataWorld, entity: str, name: str) -> model_pb2.Attribute:
    return next(it for it in world.entity(entity).attributes if it.logical_name == name)


def test_every_entity_of_a_whole_document_is_mapped() -> None:
    """The document has the 34 tables of a CRM; what `$metadata` cannot say is known of them."""
    shapes = read_shapes(read_csdl(golden("csdl.xml")))
    made = documents(shapes, {}, ())
    assert len(made) == 34
    read = {name: document_of(name, it) for name, it in made.items()}
    account = read["account"].entity
    kinds = {it.logical_name: model_pb2.AttributeType.Name(it.type) for it in account.attributes}
    assert account.ownership == model_pb2.OWNERSHIP_USER
    assert account.primary_name_attribute == "name"
    assert kinds["statecode"] == "ATTRIBUTE_TYPE_STATE"
    assert kinds["revenue"] == "ATTRIBUTE_TYPE_MONEY"
    assert kinds["ownerid"] == "ATTRIBUTE_TYPE_OWNER"
    assert kinds["primarycontactid"] == "ATTRIBUTE_TYPE_LOOKUP"
    assert kinds["donotfax"] == "ATTRIBUTE_TYPE_BOOLEAN"
    contact = read["contact"].entity
    customer = next(it for it in contact.attributes if it.logical_name == "parentcustomerid")
    assert (customer.type, sorted(customer.targets)) == (model_pb2.ATTRIBUTE_TYPE_CUSTOMER, ["account", "contact"])
    assert read["task"].relationships
    for it in read.values():
        assert len({one.schema_name for one in it.relationships}) == len(it.relationships), it.entity.logical_name
    assert not shapes.not_mapped or all(it.why for it in shapes.not_mapped)


@pytest.mark.parametrize("name", ["lead", "annotation"])
def test_real_definitions_are_taken_as_they_are(fixture: OdataFixture, name: str, tmp_path: Path) -> None:
    """Complete definitions of a real environment, asked for as its Web API has them."""
    definition = json.loads(golden(f"{name}.json"))
    edm = {"Lookup": "Edm.Guid", "Customer": "Edm.Guid", "Owner": "Edm.Guid", "Uniqueidentifier": "Edm.Guid"}
    edm |= {"Boolean": "Edm.Boolean", "Integer": "Edm.Int32", "Picklist": "Edm.Int32", "State": "Edm.Int32"}
    edm |= {"Status": "Edm.Int32", "Money": "Edm.Decimal", "Decimal": "Edm.Decimal", "Double": "Edm.Double"}
    edm |= {"DateTime": "Edm.DateTimeOffset", "BigInt": "Edm.Int64"}
    properties = {}
    for it in definition["Attributes"]:
        lookup = it["AttributeType"] in ("Lookup", "Customer", "Owner")
        wire = f"_{it['LogicalName']}_value" if lookup else it["LogicalName"]
        if it["AttributeType"] != "Virtual" and not it.get("AttributeOf"):
            properties[wire] = edm.get(it["AttributeType"], "Edm.String")
    fixture.tables[definition["EntitySetName"]] = type(fixture.tables["accounts"])(
        Served(definition["EntitySetName"], name, f"{name}id", properties)
    )
    fixture.definitions = {name: definition}
    with OdataWorld(fixture, tmp_path) as world:
        left_out = world.describe()
        entity = world.entity(name)
        assert len(entity.attributes) == len(properties)
        assert not [it for it in left_out if it.startswith(f"{name}.")]
        assert entity.ownership == model_pb2.OWNERSHIP_USER
        if name == "lead":
            assert next(it for it in entity.attributes if it.options).options[0].label
            assert attribute(world, "lead", "customerid").type == model_pb2.ATTRIBUTE_TYPE_CUSTOMER
            assert {it.value for it in attribute(world, "lead", "statecode").options} == {0, 1, 2}


def test_choices_and_targets_come_by_casts(fixture: OdataFixture, tmp_path: Path) -> None:
    options = {"Options": [{"Value": 0, "Label": {"UserLocalizedLabel": {"Label": "Open"}}}]}
    attributes: list[dict[str, Any]] = [
        {"LogicalName": "accountid", "AttributeType": "Uniqueidentifier"},
        {"LogicalName": "statecode", "AttributeType": "State", "OptionSet": options},
        {"LogicalName": "ownerid", "AttributeType": "Owner"},
        {"LogicalName": "name", "AttributeType": "String", "MaxLength": 160, "RequiredLevel": {"Value": "Required"}},
        {"LogicalName": "revenue", "AttributeTypeName": {"Value": "MoneyType"}, "AttributeType": "Money"},
    ]
    fixture.definitions = {
        "account": {
            **{"LogicalName": "account", "OwnershipType": "UserOwned", "ChangeTrackingEnabled": True},
            **{"SchemaName": "Account", "EntitySetName": "accounts", "PrimaryNameAttribute": "name"},
            "Attributes": attributes,
        }
    }
    with OdataWorld(fixture, tmp_path) as world:
        world.describe()
        assert [it.label for it in attribute(world, "account", "statecode").options] == ["Open"]
        assert attribute(world, "account", "revenue").type == model_pb2.ATTRIBUTE_TYPE_MONEY
        assert attribute(world, "account", "name").required
        assert set(attribute(world, "account", "ownerid").targets) == {"systemuser", "team"}
        # Of the others nothing is known beyond $metadata, and that is enough.
        assert attribute(world, "contact", "fullname").type == model_pb2.ATTRIBUTE_TYPE_STRING


def test_what_cannot_be_mapped_is_told_with_the_reason(tmp_path: Path) -> None:
    with serving(OdataFixture("Shop", shop())) as fixture, OdataWorld(fixture, tmp_path) as world:
        left_out = world.describe()
        assert "stream" in left_out["product.Photo"]
        assert "collection" in left_out["product.Tags"]
        assert "complex" in left_out["product.Size"]
        assert "GeographyPoint" in left_out["product.Where"]
        assert "2 parts" in left_out["Lines"]
        kinds = {it.logical_name: it.type for it in world.entity("product").attributes}
        assert kinds["id"] == model_pb2.ATTRIBUTE_TYPE_STRING
        assert kinds["color"] == model_pb2.ATTRIBUTE_TYPE_STRING
        assert kinds["since"] == model_pb2.ATTRIBUTE_TYPE_DATE_ONLY
        assert kinds["categorycode"] == model_pb2.ATTRIBUTE_TYPE_LOOKUP


def test_names_that_devices_keep_for_themselves_are_left_out() -> None:
    document = metadata("Shop", shop()).replace('Property Name="Since"', 'Property Name="_LSN"')
    document = document.replace('"Note"', '"sqlite_Note"').replace('"Shop.Note"', '"Shop.sqlite_Note"')
    shapes = read_shapes(read_csdl(document.encode()))
    why = {it.subject: it.why for it in shapes.not_mapped}
    assert "devices keep" in why["product._LSN"]
    assert "devices keep" in why["Notes"]
    assert {"product", "category"} <= shapes.by_entity.keys()


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<html/>",
        "not xml",
        '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        metadata("Shop", shop()).replace('Name="Product"', 'Name="Product" BaseType="Shop.Product"', 1),
    ],
)
def test_documents_that_are_none_are_refused(document: str) -> None:
    with pytest.raises(SourceAnswerInvalid):
        read_csdl(document.encode())


def test_aliases_and_inheritance() -> None:
    document = metadata("Microsoft.Dynamics.CRM", dataverse()).replace(
        'Name="team">', 'Name="team" BaseType="self.principal">'
    )
    csdl = read_csdl(document.encode())
    team = csdl.types["Microsoft.Dynamics.CRM.team"]
    assert team.bases == ("Microsoft.Dynamics.CRM.principal",)
    assert "ownerid" in team.properties
    assert csdl.types["Microsoft.Dynamics.CRM.account"].navigations["primarycontactid"].type.endswith(".contact")


def test_mapping_is_written_read_and_obeyed(tmp_path: Path) -> None:
    with serving(OdataFixture("Shop", shop())) as fixture:
        with OdataWorld(fixture, tmp_path) as world:
            written = world.run(world.source.mapping())
        assert set(read_mapping(written).entities) == {"product", "category", "note"}
        said = "entities: {product: {ownership: none, name: color, leave_out: [price]}, category: {take: false}}"
        with OdataWorld(fixture, tmp_path, mapping=said) as world:
            world.describe()
            assert [it.logical_name for it in world.model.entities] == ["product"]
            assert world.entity("product").ownership == model_pb2.OWNERSHIP_NONE
            assert world.entity("product").primary_name_attribute == "color"
            assert "price" not in {it.logical_name for it in world.entity("product").attributes}
            assert "take: false" in world.run(world.source.mapping())
        with OdataWorld(fixture, tmp_path, mapping="entities: {product: {name: nothing}, x: {}}") as world:
            with pytest.raises(MappingInvalid, match=r"no column nothing.*no such entity"):
                world.describe()


@pytest.mark.parametrize(
    "text", ["[", "x: 1", "entities: 5", "entities: {a: {b: 1}}", "entities: {a: {ownership: mine}}", "others: 1"]
)
def test_mappings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(MappingInvalid):
        read_mapping(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "http://example.com/"},
        {"url": "https://user:secret@example.com/"},
        {"url": "ftp://example.com/"},
        {"url": "https://example.com/?x=1"},
        {"url": "https://example.com/", "auth": "basic"},
        {"url": "https://example.com/", "auth": "client-credentials"},
        {"url": "https://example.com/", "page_size": 0},
        {"url": "https://example.com/", "page_size": True},
        {"url": "https://example.com/", "concurrency": 53},
        {"url": "https://example.com/", "impersonate": "perhaps"},
        {"url": "https://example.com/", "entities": 5},
        {"url": "https://example.com/", "colour": "red"},
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SourceInvalid):
        read_settings(wrong)


def test_entities_are_chosen_by_patterns_and_the_directory_comes_along(fixture: OdataFixture, tmp_path: Path) -> None:
    with OdataWorld(fixture, tmp_path, entities="acc*") as world:
        world.describe()
        names = {it.logical_name for it in world.model.entities}
        assert "account" in names
        assert "contact" not in names
        assert {"systemuser", "role", "roleprivileges", "usersettings", "mobileofflineprofile"} <= names
