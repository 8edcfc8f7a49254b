"""Recorded answers of Dataverse, as its documentation shows them: each is understood as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from haversack.model.v1 import model_pb2
from haversack_server._core import OdataPage, Staging
from haversack_server.connectors.odata._http import Answer
from haversack_server.connectors.odata._write import _refused
from haversack_server.errors import Refusal, SourceRefused
from haversack_server.filters import model_of_documents
from haversack_server.metadata import standard_documents
from server.odata_model import golden

EXAMPLES = {it["name"]: it for it in json.loads(golden("webapi_examples.json"))}


@pytest.fixture(scope="module")
def model() -> model_pb2.Model:
    return model_of_documents(standard_documents())


def read(model: model_pb2.Model, staging: Staging, entity: str, name: str) -> OdataPage:
    body = json.dumps(EXAMPLES[name]["body"]).encode()
    return OdataPage.read(staging, model.SerializeToString(), entity, body, partial_below=4)


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging.create(str(tmp_path / "staging.sqlite3"))


def test_first_read_and_changes(model: model_pb2.Model, staging: Staging) -> None:
    first = read(model, staging, "account", "first read with change tracking")
    assert (first.rows, first.next_link) == (1, None)
    assert (first.delta_link or "").endswith("$deltatoken=919042%2108%2f22%2f2017%2008%3a10%3a44")
    first.take(staging, before=None, after=b"a")
    changes = read(model, staging, "account", "changes since, one row changed and one deleted")
    told = json.loads(changes.take(staging, before=b"a", after=b"b"))
    # The row that is told again is as it was; the one that is gone was never here.
    assert (told["read"], told["inserted"], told["deleted"], told["unchanged"]) == (2, 0, 0, 2)
    _, _, lines = staging.rows(
        model.SerializeToString(), "account", attributes=["name", "accountnumber", "fax"], rows_max=10
    )
    assert json.loads(lines) == {"name": "Monte Orton", "fax": "10101"}


def test_a_page_with_more_to_come(model: model_pb2.Model, staging: Staging) -> None:
    page = read(model, staging, "contact", "a page with more to come")
    assert page.rows == 2
    assert page.has_versions
    assert page.next_link == EXAMPLES["a page with more to come"]["body"]["@odata.nextLink"]
    assert json.loads(page.errors())["rejected"] == 0


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("write refused: row changed since", Refusal.CONFLICT),
        ("create refused: row exists (If-None-Match: *)", Refusal.CONFLICT),
        ("update refused: row gone (If-Match: *)", Refusal.NOT_FOUND),
        ("error with details asked for", Refusal.INVALID),
    ],
)
def test_refusals(name: str, outcome: Refusal) -> None:
    answer = recorded(EXAMPLES[name])
    refusal = _refused(answer)
    assert isinstance(refusal, SourceRefused)
    assert refusal.outcome is outcome
    assert str(refusal) == EXAMPLES[name]["body"]["error"]["message"]


def test_throttling_has_words() -> None:
    assert "6000 over time window" in recorded(EXAMPLES["too many requests"]).words


def recorded(example: dict[str, Any]) -> Answer:
    return Answer("https://org.example/", example["status"], example["headers"], json.dumps(example["body"]).encode())
