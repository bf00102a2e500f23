"""Errors that a person reads. Each is one sentence that says what to do."""

from __future__ import annotations


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


class MissingExtraError(FedsightError):
    """An optional part is not installed; the message names the `pip install` that mends it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed; run: pip install 'fedsight[{extra}]'")
