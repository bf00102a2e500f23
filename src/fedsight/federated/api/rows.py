"""What the routes answer with."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from fedsight.door.times import rfc3339, rfc3339_or_none
from fedsight.federated.api.clients import Client
from fedsight.federated.api.events import SOURCE, Happened
from fedsight.federated.api.history import RoundFacts
from fedsight.federated.api.status import Word
from fedsight.federated.versions.manifest import Layout, Metrics
from fedsight.signals import Json

Level = Literal["healthy", "degraded"]


class Service(Struct, frozen=True):
    """Who answers here."""

    name: str
    version: str


class Part(Struct, frozen=True, omit_defaults=True):
    """One part of the server and what is wrong with it."""

    status: Level
    error: str | UnsetType = UNSET


class Health(Struct, frozen=True):
    """Whether the server can train and keep. `store_id` is the data directory's."""

    status: Level
    service: str
    timestamp: str
    version: str
    store_id: str | None
    components: dict[str, Part]


class Command(Struct, frozen=True):
    """What a command brought about."""

    run: str
    status: Word
    message: str


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, for those who see it later."""

    reason: str | None = None


class ClientPage(Struct, frozen=True):
    """Clients, and how many there are."""

    clients: list[Client]
    total: int


class RoundRow(Struct, frozen=True):
    """One round that is over. `training_duration` in seconds, `model_size_mb` as one node was sent
    it, `clients` that trained."""

    round: int
    timestamp: str | None
    status: Literal["completed", "failed"]
    accuracy: float | None
    loss: float | None
    training_duration: float | None
    model_size_mb: float | None
    clients: int | None

    @classmethod
    def of(cls, facts: RoundFacts) -> RoundRow:
        """The row of a round."""
        return cls(
            facts.round,
            rfc3339_or_none(facts.started),
            "completed" if facts.ok else "failed",
            facts.accuracy,
            facts.loss,
            facts.seconds,
            None if facts.model_bytes is None else facts.model_bytes / 1e6,
            facts.participants,
        )


class Pagination(Struct, frozen=True):
    """Which part of the rows."""

    limit: int
    offset: int
    has_more: bool


class RoundsPage(Struct, frozen=True):
    """Rounds in order; `total_rounds` fit the filters, `latest_round` is the newest of all."""

    rounds: list[RoundRow]
    total_rounds: int
    returned_rounds: int
    latest_round: int | None
    pagination: Pagination


class EventRow(Struct, frozen=True):
    """One event."""

    event_id: int
    timestamp: str
    source_component: str
    event_type: str
    run: str | None
    round: int | None
    client_id: str | None
    details: dict[str, Json]

    @classmethod
    def of(cls, one: Happened) -> EventRow:
        """The row of an event."""
        moment = rfc3339(one.time)
        return cls(one.id, moment, SOURCE, one.kind, one.run, one.round, one.node, one.details)


class EventsPage(Struct, frozen=True):
    """Events by id; `last_event_id` is what to ask after next."""

    events: list[EventRow]
    last_event_id: int


class Convergence(Struct, frozen=True):
    """How the run moves; docs/api.md has the formulas."""

    accuracy_trend: float | None
    loss_trend: float | None
    convergence_rate: float | None
    stability: float | None


class Summary(Struct, frozen=True):
    """The current run summed up. `total_participants` are clients that trained at least once."""

    total_rounds: int
    latest_accuracy: float | None
    latest_loss: float | None
    total_participants: int
    average_round_time: float | None
    communication_efficiency: float | None
    convergence_metrics: Convergence


class RunMetrics(Struct, frozen=True):
    """The current run's rounds as columns."""

    accuracy: list[float | None]
    loss: list[float | None]
    rounds: int
    participants_per_round: list[int | None]
    convergence_rate: float | None


class Model(Struct, frozen=True, omit_defaults=True):
    """One model version: its manifest and its tags. A list leaves `tensors` out."""

    version: str
    run: str
    round: int
    parent: str | None
    task: str
    created: str
    metrics: Metrics
    size: int
    sha256: str
    tags: list[str]
    tensors: tuple[Layout, ...] | UnsetType = UNSET


class Damaged(Struct, frozen=True):
    """A version that is not whole."""

    version: str
    reason: str


class ModelPage(Struct, frozen=True):
    """Model versions, newest first; `production` is the one promoted now."""

    models: list[Model]
    total: int
    damaged: list[Damaged]
    production: str | None


class Comparison(Struct, frozen=True):
    """Every difference is B less A."""

    a: str
    b: str
    accuracy_diff: float | None
    loss_diff: float | None
    size_diff: int
    round_diff: int


class TagRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a tag's POST; `move` takes it from another version."""

    tag: str
    move: bool = False


class Tagged(Struct, frozen=True):
    """Which version a tag names now, and before."""

    version: str
    tag: str
    before: str | None
