"""What the routes that list are asked, and what they answer, as types."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from fedsight.policy.service.rows import Anchors, Limit, Number, RuleRow, Text
from fedsight.policy.trust import Change

#: So many refused clients, and so many rules, are told of one by one.
MOST_CLIENTS, MOST_RULES = 200, 60


class Which(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which decisions. `text` is looked for in who, what, rules and reasons; times are RFC 3339."""

    client: Text | None = None
    action: Text | None = None
    rule: Text | None = None
    run: Text | None = None
    allowed: bool | None = None
    text: Text | None = None
    since: Text | None = None
    until: Text | None = None


class DecisionQuery(Which, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A page of them: the oldest after `since_decision_id`, else the newest, or those below
    `before_decision_id`."""

    since_decision_id: Number | None = None
    before_decision_id: Number | None = None
    limit: Limit = 100
    offset: Number = 0


class Because(RuleRow, frozen=True):
    """A rule that decided; an empty reason where the trail does not tell whose is which."""


class Listed(Struct, frozen=True):
    """One decision with what was asked, and each rule with its reason. A `request` of more than 64
    KiB is told without attributes, and its size as `left_out_bytes`."""

    decision_id: int
    timestamp: str
    action: str
    principal: str
    client_id: str | None
    allowed: bool
    observed: bool
    reason: str
    rules: list[str]
    because: list[Because]
    errors: list[str]
    obligations: list[str]
    policy_version: str
    inputs: str
    run: str | None
    round: int | None
    request: Raw


class DecisionList(Struct, frozen=True):
    """Decisions; `total` of those kept fit, `oldest_decision_id` is the first that is kept. `more`:
    there are others behind these, which one answer does not hold."""

    decisions: list[Listed]
    total: int
    last_decision_id: int
    oldest_decision_id: int | None
    more: bool


class RefusedClient(Struct, frozen=True):
    """How often a client was refused."""

    client: str
    count: int


class RefusalRow(Struct, frozen=True):
    """What refused: a rule, or without one that nothing permitted it, or that it could not be
    judged. `clients` are those of the matrix; `steps` how often in each step of time."""

    rule: str | None
    reason: str
    count: int
    last: str
    clients: dict[str, int]
    steps: list[int]


class Refusals(Struct, frozen=True):
    """Refusals that fit: `refused` of `decisions` decisions, since `since`, when the first that is
    kept was made. A refusal of several rules counts for each."""

    refused: int
    decisions: int
    since: str | None
    rules: list[RefusalRow]
    clients: list[RefusedClient]
    rules_left_out: int
    clients_left_out: int
    start: str | None
    step_seconds: float


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """So many clients, the lowest trust first, or one; each with its newest `changes`."""

    client: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 24
    offset: Number = 0
    changes: Annotated[int, Meta(ge=1, le=1000)] = 300


class TrustCurve(Struct, frozen=True):
    """A client's score now, and how it came to be, oldest first."""

    client: str
    score: float
    changes: list[Change]


class TrustCurves(Struct, frozen=True):
    """`min_trust` is the federation's threshold, null where its set has none."""

    clients: list[TrustCurve]
    total: int
    min_trust: float | None
    initial: float
    half_life_seconds: float


class Head(Struct, frozen=True):
    """The newest signed head: of which record, and when it was signed."""

    log: str
    seq: int
    hash: str
    time: str


class Proven(Struct, frozen=True):
    """What verifying found, when it was done, and how long it took; the rest as `AuditAnswer`."""

    time: str
    seconds: float
    ok: bool
    records: int
    first: int
    last: int
    signed: int
    anchored: int | None
    seq: int | None
    what: str | None
    anchors: Anchors
    anchors_why: str | None


class AuditState(Struct, frozen=True):
    """The trail: its last record, its size, who signs it, and what verifying found last (null:
    not since the service began). `fault` says why it cannot be written."""

    records: int
    first: int
    bytes: int
    files: int
    key: str
    fingerprint: str
    head: Head | None
    verified: Proven | None
    fault: str | None


class RecordQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Records after a sequence number."""

    after: Number = 0
    limit: Annotated[int, Meta(ge=1, le=5000)] = 1000


class RecordList(Struct, frozen=True):
    """Records as the texts of their lines; `next` is what to ask with for more, null at the end."""

    lines: list[str]
    next: int | None
