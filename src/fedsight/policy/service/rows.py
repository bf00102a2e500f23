"""What is asked and answered over HTTP, as types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from fedsight.policy.service.kept import EventRow
from fedsight.policy.trust import Change

Level = Literal["healthy", "degraded"]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Number = Annotated[int, Meta(ge=0, le=2**53)]
MOST_CHECKS = 1000


class PolicyAbout(Struct, frozen=True):
    """Name and version."""

    name: str
    version: str


class PolicyPart(Struct, frozen=True, omit_defaults=True):
    """Whether a part works."""

    status: Level
    error: str | None = None


class PolicyHealth(Struct, frozen=True):
    """How the service is."""

    status: Level
    service: str
    timestamp: str
    version: str
    policy_version: str
    components: dict[str, PolicyPart]


class Facts(Struct, frozen=True):
    """What is known of a client, a model or a run, in whatever fields the caller has."""


class Check(Struct, frozen=True, forbid_unknown_fields=True):
    """One question of a policy type."""

    policy_type: Text
    context: dict[str, Any] = field(default_factory=dict)


class Checks(Struct, frozen=True, forbid_unknown_fields=True):
    """Many."""

    checks: Annotated[list[Check], Meta(max_length=MOST_CHECKS)]


class RuleRow(Struct, frozen=True):
    """A rule that decided."""

    id: str
    reason: str
    effect: str


class Checked(Struct, frozen=True):
    """A decision. `decision_id` is its number in the audit trail; null where it is in none."""

    allowed: bool
    reason: str
    decision_id: int | None
    rules: list[RuleRow]
    violations: list[str]
    errors: list[str]
    policy_version: str
    obligations: list[str]
    observed: bool


class CheckedMany(Struct, frozen=True):
    """Decisions, in the order of the questions."""

    decisions: list[Checked]


class TrainingEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened in a federation. With an `event_id` it is recorded once."""

    event_type: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,127}$")]
    details: dict[str, Any] = field(default_factory=dict)
    event_id: Text | None = None
    client_id: Text | None = None
    run: Text | None = None
    round: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    source: Text = "fl-server"


class Logged(Struct, frozen=True):
    """Its number, and whether it was recorded before."""

    event_id: int
    duplicate: bool


class EventQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Events after a number."""

    since_event_id: Number = 0
    limit: Limit = 100


class EventList(Struct, frozen=True):
    """Events, oldest first."""

    events: list[EventRow]
    last_event_id: int


class TrustQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """All clients, or one with its history."""

    client: Text | None = None
    limit: Limit = 100
    offset: Number = 0


class TrustRow(Struct, frozen=True):
    """A client's score."""

    client: str
    score: float


class TrustList(Struct, frozen=True):
    """Scores, the lowest first; `history` is the asked client's, oldest first."""

    clients: list[TrustRow]
    total: int
    history: list[Change]


class Reset(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a client's trust is to be reset."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class WasReset(Struct, frozen=True):
    """A client's score before and after."""

    client: str
    before: float
    after: float


Anchors = Literal["checked", "none", "unknown"]


class AuditAnswer(Struct, frozen=True):
    """What verifying found.

    `anchored` is the last record that the collector vouches for. `anchors`: they were `checked`,
    there are `none` of this trail, or they are `unknown`, and `anchors_why` says why; then a cut
    end, or a trail rolled back whole, is not seen.
    """

    ok: bool
    records: int
    first: int
    last: int
    signed: int
    seq: int | None
    what: str | None
    anchored: int | None = None
    anchors: Anchors = "unknown"
    anchors_why: str | None = None
