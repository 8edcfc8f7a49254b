"""What the package promises is what it has."""

import ast
import tomllib
from pathlib import Path

import haversack_client
import pytest
from haversack_client import _errors
from haversack_client._session import CLIENT

PACKAGE = Path(haversack_client.__file__).parent


def test_all_is_sorted_and_complete() -> None:
    public = {name for name, value in vars(haversack_client).items() if getattr(value, "__module__", "")}
    named = {name for name in public if not name.startswith("_")}
    assert list(haversack_client.__all__) == sorted(haversack_client.__all__)
    assert named - {"LiveEvent"} == set(haversack_client.__all__) - {"LiveEvent"}


def test_every_error_is_exported_and_drawn() -> None:
    errors = {name for name, value in vars(_errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert errors <= set(haversack_client.__all__)
    assert _errors.__doc__ is not None
    assert [name for name in errors if name not in _errors.__doc__] == []


def test_the_server_is_told_the_version_of_the_distribution() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "client_sdk/pyproject.toml").read_text())["project"]
    assert CLIENT.rpartition("/")[2] == project["version"]


@pytest.mark.parametrize(
    ("module", "allowed"),
    [("grpc", {"_transport"}), ("sqlite3", {"_connections", "_device", "_terminal"})],
)
def test_each_outside_thing_is_known_to_few(module: str, allowed: set[str]) -> None:
    users = {path.stem for path in PACKAGE.glob("*.py") if module in imports(path)}
    assert users == allowed


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found
