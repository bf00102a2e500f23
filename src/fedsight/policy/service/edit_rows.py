"""What is asked and answered about sets over HTTP, as types: looked at, changed, replayed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from fedsight.policy.replay import Replayed
from fedsight.policy.service.rows import Limit, Number, Text

Files = Annotated[dict[str, str], Meta(max_length=1000)]
#: Without what would steer a terminal, but for line ends and tabs.
Note = Annotated[str, Meta(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]{0,1000}$")]
#: A name as it is shown beside a version: without what would move a terminal's cursor.
By = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]
VersionNumber = Annotated[int, Meta(ge=1, le=999_999)]


class PolicyRow(Struct, frozen=True):
    """A rule in force. `refused`: how often it refused since the set's `refused_since`."""

    id: str
    effect: str
    reason: str
    file: str
    line: int
    text: str
    actions: list[str]
    refused: int
    active: bool = True


class PolicySet(Struct, frozen=True):
    """The set in force, with its newest tests. `fault` says why the folder's is another.

    `digest` is what a change names as `expected`: it tells all files of the folder, tests too.
    `change_refused` and `replay_refused` say why whoever shows this token may not change it, or
    replay by it; without a token, why not even an administrator may.
    """

    version: str
    number: int | None
    digest: str
    policies: list[PolicyRow]
    files: dict[str, str]
    warnings: list[str]
    fault: str | None
    observe: bool
    refused_since: str
    change_refused: str | None
    replay_refused: str | None


class NewSet(Struct, frozen=True, forbid_unknown_fields=True):
    """All files of a set.

    `expected_version` or `expected` (a digest) are of what it is meant to replace. `by` is whoever
    writes with a token that several use.
    """

    files: Files
    note: Note = ""
    expected_version: Text | None = None
    expected: Text | None = None
    by: By | None = None


class Back(Struct, frozen=True, forbid_unknown_fields=True):
    """An older version that is to be in force again."""

    number: VersionNumber
    note: Note = ""
    expected: Text | None = None
    by: By | None = None


class Taken(Struct, frozen=True):
    """The set that is in force now; `number` is its version's."""

    version: str
    number: int


class Candidate(Struct, frozen=True, forbid_unknown_fields=True):
    """A set to look at."""

    files: Files


class VersionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which versions, the newest first."""

    limit: Limit = 50
    offset: Number = 0


class VersionRow(Struct, frozen=True):
    """A version: who put it in force, when (RFC 3339), and why."""

    number: int
    version: str
    author: str
    time: str
    note: str


class VersionList(Struct, frozen=True):
    """Versions, the newest first."""

    versions: list[VersionRow]
    total: int


class WholeVersion(Struct, frozen=True):
    """A version with its files."""

    number: int
    version: str
    author: str
    time: str
    note: str
    files: dict[str, str]


class DiffQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Two versions by their numbers."""

    before: VersionNumber
    after: VersionNumber


class Diff(Struct, frozen=True):
    """How two versions differ, as a unified diff; empty where they do not."""

    before: int
    after: int
    diff: str


class ReplayOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A set, or a version of this one, and which recorded decisions to judge by it (RFC 3339)."""

    files: Files | None = None
    number: VersionNumber | None = None
    since: Text | None = None
    until: Text | None = None


class ReplayAnswer(Struct, frozen=True):
    """What would have changed."""

    version: str
    seconds: float
    found: Replayed
