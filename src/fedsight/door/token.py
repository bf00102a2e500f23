"""The token of a data directory: one file, made once, however many services begin at one time."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from fedsight.errors import SettingsError, StoreError

TOKEN = "token"


def token_of(data: Path) -> str:
    """The token that changes over HTTP must show; made where there is none yet. May raise OSError.

    256 random bits, readable by the owner only.
    """
    return created_once(data / TOKEN, secrets.token_urlsafe(32))


def token_in(data: Path) -> str:
    """`token_of`, with the directory made. Raises StoreError where it cannot be written."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return token_of(data)
    except OSError as error:
        raise StoreError(
            f"cannot write to the data directory {data}: {error.strerror or error};"
            " choose another with FEDSIGHT_DATA"
        ) from error


def token_from(file: Path, setting: str) -> str:
    """The one token that a file of the operator's holds. Raises SettingsError naming it."""
    try:
        token = file.expanduser().read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{setting} {file} cannot be read: {error}") from error
    if not token or any(not "!" <= one <= "~" for one in token):
        raise SettingsError(f"{setting} {file} must hold one token, on one line")
    return token


def created_once(file: Path, fresh: str) -> str:
    """The file's text; where it is missing or empty, `fresh`, written whole or not at all.

    Of two processes that make it at one time both get the text of the first.
    """
    found = _text(file)
    if found:
        return found
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(fresh + "\n")
        out.flush()
        os.fsync(out.fileno())
    if found is not None:  # empty: what a full disk left
        draft.replace(file)
        return fresh
    try:
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return _text(file) or fresh


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return None
