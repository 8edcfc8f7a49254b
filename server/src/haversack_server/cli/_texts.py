"""Texts that commands are given as files."""

from __future__ import annotations

from pathlib import Path

import typer


def text_of(file: Path, *, option: str, advice: str) -> str:
    """Reads a file; what cannot be read as UTF-8 is a misuse of the command, and `advice` says what it should be."""
    try:
        # A byte order mark is what Windows' editors begin files with.
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{file} is no text in UTF-8 (byte {error.start:,} is none of it); {advice}"
        raise typer.BadParameter(message, param_hint=option) from error
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}; {advice}", param_hint=option) from error
