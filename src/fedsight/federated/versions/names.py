"""How versions, runs and tags are called. Only a name that passes here becomes part of a path."""

from __future__ import annotations

import re
from typing import NamedTuple

from fedsight.errors import UsageError

#: References that are worked out rather than looked up.
LATEST, BEST = "latest", "best"

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROUND = re.compile(r"[1-9][0-9]{0,8}")


class Version(NamedTuple):
    """One model: the run that trained it, and after which round."""

    run: str
    round: int

    def __str__(self) -> str:
        return f"{self.run}/{self.round}"


def is_run(text: str) -> bool:
    """Whether a run may be called so."""
    return _WORD.fullmatch(text) is not None


def is_round(text: str) -> bool:
    """Whether `text` is a round as it stands in a name: a whole number, no zero before it."""
    return _ROUND.fullmatch(text) is not None


def run_name(text: str) -> str:
    """`text`. Raises UsageError where no run may be called so."""
    return _checked(text, "a run")


def tag_name(text: str) -> str:
    """`text`. Raises UsageError where no tag may be called so."""
    if text in (LATEST, BEST):
        raise UsageError(f"a tag must not be called {text!r}: it already means a version")
    return _checked(text, "a tag")


def version(text: str) -> Version | None:
    """The version called `text`, or None where that is no version's name."""
    run, _, number = text.partition("/")
    return Version(run, int(number)) if is_run(run) and is_round(number) else None


def _checked(text: str, what: str) -> str:
    if not is_run(text):
        raise UsageError(
            f"{what} must be called by 1 to 64 letters, digits, '.', '_' and '-', the first a"
            f" letter or digit, got {text[:80]!r}"
        )
    return text
