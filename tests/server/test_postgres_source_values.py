"""Values of a PostgreSQL source: a row that a write ends with is the row that replication brings."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, LiteralString

from haversack_server.connectors.postgres._plan import Attribute
from haversack_server.connectors.postgres._types import ATTRIBUTE_TYPES
from haversack_server.connectors.postgres._values import comparable, from_sql
from haversack_server.replication import Change
from hypothesis import given
from hypothesis import strategies as st
from server.postgres_world import Followed, SourceDatabase, following

VALUES: dict[LiteralString, tuple[LiteralString, ...]] = {
    "timestamptz": ("2024-05-31 10:00:00.5+02", "infinity", "-infinity", "10000-01-01", "0900-01-01", "0044-03-15 BC"),
    "timestamp": ("0001-01-01", "1753-01-01", "1752-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
    "date": ("2024-02-29", "0001-01-01", "infinity", "1753-01-01", "10000-01-01", "12024-01-01", "0044-03-15 BC"),
    "float8": ("1.5", "NaN", "Infinity", "1e300", "-0"),
    "float4": ("0.1", "NaN"),
    "numeric": (
        "12.50",
        "NaN",
        "Infinity",
        "1e200",
        "1e99",
        "1e100",
        "-0.10000",
        f"{'1' * 60}.{'1' * 40}00",
        f"{'1' * 60}.{'1' * 41}",
    ),
    "bool": ("true", "false"),
    "text": ("", "{NULL}", "infinity"),
    "int8": ("9007199254740993",),
    "int[]": ("{}", "{1,NULL,2}", "{NULL}", "{{1,2},{3,4}}", "[0:1]={1,2}", "{2,1,2}"),
    "colour": ("red", "dark green", "new"),
    "colour[]": ("{red,NULL,dark green}", "{new}", "{{red},{red}}", '{"a,\\"b\\\\{}"}'),
}
"""Values that PostgreSQL has, whether attributes can have them or not, by column type."""


def test_a_write_ends_with_the_values_that_replication_brings(source_database: SourceDatabase, tmp_path: Path) -> None:
    source_database.run("CREATE TYPE colour AS ENUM ('red', 'dark green', 'new', 'a,\"b\\{}')")
    source_database.run("CREATE TABLE job (id int PRIMARY KEY)")
    attributes = []
    for at, (kind, texts) in enumerate(VALUES.items()):
        source_database.run(f"ALTER TABLE job ADD COLUMN c{at} {kind}")
        choices = ", choices: {red: 1, dark green: 2, 'a,\"b\\{}': 3}" if "colour" in kind else ""
        named = ", type: choices" if kind == "int[]" else ", type: integer" if kind == "int8" else ""
        attributes.append(f"      c{at}: {{column: c{at}{named}{choices}}}")
        for row, text in enumerate(texts):
            source_database.run(
                f"INSERT INTO job (id, c{at}) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET c{at} = EXCLUDED.c{at}",
                row,
                text,
            )
    mapping = "\n".join(["entities:", "  job:", "    table: job", "    id: id", "    attributes:", *attributes])
    with following(source_database, mapping, tmp_path / "staging.db") as followed:
        followed.follow()
        copied = followed.rows("job")
        kinds, written = asyncio.run(_written(followed, copied))
        source_database.run("UPDATE job SET id = id")
        followed.follow()
        assert followed.rows("job") == copied, "changes bring what the copy has brought"
    for id_, told_row in written.items():
        for name, attribute in kinds.items():
            told, brought = comparable(attribute, told_row[name]), comparable(attribute, copied[id_].get(name))
            assert told == brought, f"{name} of row {id_}"


async def _written(followed: Followed, rows: dict[str, Any]) -> tuple[dict[str, Attribute], dict[str, dict[str, Any]]]:
    """Writes nothing to rows; returns the attributes, and the rows as they are told."""
    written = {}
    for row in rows:
        told = await followed.source.write(Change(f"install/{row}", "job", row, "update"))
        written[row] = json.loads(told.row or b"")
    plan = await followed.source._plan_of_now()
    return dict(plan.entities["job"].attributes), written


@given(
    st.sampled_from(sorted(ATTRIBUTE_TYPES)),
    st.text() | st.from_regex(r"\{.*\}|-?[0-9]+(-[0-9]+)*.*|\{[0-9,\"NUL\\{}]*\}"),
    st.booleans(),
)
def test_no_text_of_a_column_keeps_a_write_from_being_told(kind: str, text: str, has_choices: bool) -> None:
    attribute = Attribute("it", kind, choices={"1": 1} if has_choices else None)
    told = from_sql(attribute, text)
    assert comparable(attribute, told) == comparable(attribute, told)
    comparable(attribute, text)
