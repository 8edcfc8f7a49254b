"""The ledger of uploads as the control plane reaches it; what it holds is tested in Rust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from haversack_server._core import CoreError, Staging


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging.create(str(tmp_path / "staging.db"))


def test_an_empty_ledger_has_no_pages_and_no_refusals(staging: Staging) -> None:
    assert staging.export_ledger(0, entries_max=10) == (b"", 0)
    assert staging.import_ledger(b"") == 0
    assert json.loads(staging.refusals(0, entries_max=10)) == {"entries": [], "last": 0}


def test_write_back_says_when_there_is_nothing_left(staging: Staging, tmp_path: Path) -> None:
    record = Staging.create(str(tmp_path / "record.db"))
    assert json.loads(staging.write_back(record, rows_max=10)) == {"written": 0, "is_last": True}
    with pytest.raises(CoreError, match="the staging database itself"):
        staging.write_back(staging, rows_max=10)


def test_what_is_no_refusal_is_refused_by_name(staging: Staging) -> None:
    with pytest.raises(CoreError, match="no refused mutation at place 7") as refused:
        staging.discard_refusal(7)
    assert refused.value.reason == "REQUEST_INVALID"
    with pytest.raises(CoreError, match="no page of an exported ledger") as refused:
        staging.import_ledger(b"\x0a\x02\x0a\x00")
    assert refused.value.reason == "REQUEST_INVALID"
