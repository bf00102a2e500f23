"""Errors that a person reads. Each is one sentence that says what to do."""

from __future__ import annotations

import traceback
from pathlib import Path


class FedsightError(Exception):
    """Something a person can mend; the message is one clear sentence. The CLI exits with 1."""


class UsageError(FedsightError):
    """A wrong flag, key or value: nothing was started. The CLI exits with 2."""


class SettingsError(UsageError):
    """A setting was refused; the message names key, value and what is allowed."""


class JournalError(FedsightError):
    """The journal cannot be opened or written; the message names its file."""


class StoreError(FedsightError):
    """The collector's store cannot be opened or written; the message names its file."""


class ModelError(FedsightError):
    """A model version cannot be written, or is damaged; the message names it."""


class SeriesError(FedsightError):
    """Rows that nothing can be learned or foreseen from: too few, constant, or with a gap."""


class MissingExtraError(FedsightError):
    """An optional part is not installed; the message names the `pip install` that mends it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed; run: pip install 'fedsight[{extra}]'")


def told(error: BaseException) -> str:
    """A foreign error in one line: type, message, and where in whose code it was raised."""
    message = " ".join(str(error).split())[:500]
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{said} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else said
