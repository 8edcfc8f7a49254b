"""Profiles as files: YAML, or JSON, with the fields of the contract's message haversack.model.v1.Profile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from haversack.model.v1 import model_pb2

SUFFIXES = (".yaml", ".yml", ".json")

_BREAKS = re.compile("[\r\x85\u2028\u2029\ufeff]")
_NOT_IN_FILE_NAMES = re.compile(r"[^\w .-]|^\.")


def read_profile(file: Path) -> model_pb2.Profile:
    """Reads a profile; what is no profile is a misuse of the command."""
    import yaml
    from google.protobuf import json_format
    from haversack.model.v1 import model_pb2

    try:
        content = yaml.safe_load(file.read_text())
        if not isinstance(content, dict):
            raise typer.BadParameter(f"{file} must hold one object, a Profile", param_hint="FILE")
        return json_format.ParseDict(content, model_pb2.Profile())
    except (yaml.YAMLError, json_format.ParseError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from error


def read_profiles(places: Sequence[Path]) -> dict[str, model_pb2.Profile]:
    """Reads files, and all of a folder, each a profile; returns them by name, in order of the names."""
    files = [file for place in places for file in _files(place)]
    found: dict[str, model_pb2.Profile] = {}
    for file in files:
        profile = read_profile(file)
        if profile.name in found:
            raise typer.BadParameter(f"{file}: profile {profile.name} is in another file too", param_hint="PATH")
        found[profile.name] = profile
    if not found:
        raise typer.BadParameter(f"there is no file that ends with {', '.join(SUFFIXES)}", param_hint="PATH")
    return {name: found[name] for name in sorted(found)}


def profile_yaml(profile: model_pb2.Profile) -> str:
    """Returns a profile as a file has it: equal profiles give equal text."""
    import yaml
    from google.protobuf import json_format

    class Dumper(yaml.SafeDumper):
        """YAML's own, but for line breaks that it would write as they are and not read back."""

    def written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _BREAKS.search(text) else None)

    Dumper.add_representer(str, written)
    content = json_format.MessageToDict(profile, preserving_proto_field_name=True)
    return str(yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True))


def file_name(profile: str) -> str:
    """Returns the name of a profile's file: what a file name cannot have is written as %XX."""
    safe = _NOT_IN_FILE_NAMES.sub(lambda it: "".join(f"%{byte:02X}" for byte in it.group().encode()), profile)
    return f"{safe}.yaml"


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(it for it in place.iterdir() if it.suffix in SUFFIXES)
    return [place]
