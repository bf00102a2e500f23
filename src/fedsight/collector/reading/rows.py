"""What the collector answers with: one type for each row and list that `docs/api.md` promises.

Times are RFC 3339 UTC. None means that a figure was not measured.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fedsight.collector.store.present import Paused, Stalled, Waiting
from fedsight.signals import Phase

RunState = Literal[
    "training", "paused", "silent", "finished", "failed", "stopped", "interrupted", "unknown"
]
ClientStatus = Literal["trained", "failed", "rejected", "no_reply"]


class Silence(Struct, frozen=True):
    """How long a training run has sent nothing, and how many of its slow rounds that is."""

    seconds: float
    p95_factor: float | None


class RunSummary(Struct, frozen=True):
    """One run with its latest figures; `seconds` counts to its end or its last signal.

    `waiting`, `stalled` and `paused` are None where it does not, or is not.
    """

    id: str
    task: str | None
    strategy: str | None
    engine: str | None
    state: RunState
    reason: str | None
    round: int
    rounds: int | None
    nodes: list[str]
    started: str | None
    ended: str | None
    last_seen: str
    seconds: float | None
    accuracy: float | None
    best_accuracy: float | None
    loss: float | None
    payload_down_bytes: int | None
    payload_up_bytes: int | None
    model_parameters: int | None
    failures: int
    silent: Silence | None
    waiting: Waiting | None
    stalled: Stalled | None
    paused: Paused | None
    accuracy_trend: list[float]
    config: dict[str, Any]


class RoundRow(Struct, frozen=True):
    """One round of a run."""

    round: int
    started: str | None
    seconds: float | None
    accuracy: float | None
    loss: float | None
    train_loss: float | None
    selected: int | None
    participants: int | None
    failures: int | None
    samples: int | None
    payload_down_bytes: int | None
    payload_up_bytes: int | None


class ClientRow(Struct, frozen=True):
    """One client in one round; `status` is None where only what was sent to it is known."""

    round: int
    node: str
    status: ClientStatus | None
    reason: str | None
    train_seconds: float | None
    cpu_seconds: float | None
    queued_seconds: float | None
    samples: int | None
    train_loss: float | None
    train_accuracy: float | None
    payload_down_bytes: int | None
    payload_up_bytes: int | None
    download_seconds: float | None
    upload_seconds: float | None
    peak_memory_bytes: int | None


class SpanRow(Struct, frozen=True):
    """One phase of a round on a node (None: the server), from the round's earliest span on."""

    round: int
    node: str | None
    phase: Phase
    start: str
    offset_seconds: float
    seconds: float
    ok: bool


class EventRow(Struct, frozen=True):
    """One event with the id under which the collector keeps it."""

    id: int
    time: str
    source: str
    kind: str
    run: str | None
    round: int | None
    node: str | None
    details: dict[str, Any]


class RunPage(Struct, frozen=True):
    """Runs, newest first; `total` counts all that match, `next` is the cursor of what follows."""

    runs: list[RunSummary]
    total: int
    next: str | None = None


class RoundPage(Struct, frozen=True):
    """Rounds of a run in order."""

    rounds: list[RoundRow]
    total: int


class ClientPage(Struct, frozen=True):
    """Clients of a run by round, then node in the run's order."""

    clients: list[ClientRow]
    total: int


class SpanPage(Struct, frozen=True):
    """Spans of a run by round, then start."""

    spans: list[SpanRow]
    total: int


class EventPage(Struct, frozen=True):
    """Events by id; ask again with `after=last_id` for what follows."""

    events: list[EventRow]
    last_id: int


class TextColumn(Struct, frozen=True):
    """A text column: `index[i]` points into `dictionary`, None where the cell is empty."""

    dictionary: list[str]
    index: list[int | None]


class ColumnPage(Struct, frozen=True):
    """Rows as columns: one list for each field, text fields as `TextColumn`."""

    count: int
    total: int
    columns: dict[str, list[Any] | TextColumn]


class TimeRange(Struct, frozen=True):
    """From the first to the last time that an answer covers; None where there is none."""

    start: str | None = msgspec.field(name="from", default=None)
    end: str | None = msgspec.field(name="to", default=None)


class GlobalMetrics(Struct, frozen=True):
    """Columns of equal length, one entry a round."""

    rounds: list[int]
    global_accuracy: list[float | None]
    global_loss: list[float | None]
    participants_per_round: list[int | None]
    round_duration_seconds: list[float | None]


class ClientMetrics(Struct, frozen=True):
    """One client over all rounds of the range."""

    participation_rate: float | None
    avg_local_accuracy: float | None
    avg_training_time: float | None
    data_contribution: int | None


class FederatedMetrics(Struct, frozen=True):
    """A run's global and client figures. `convergence_slope`: accuracy gained a round, of late."""

    experiment_id: str | None
    timerange: TimeRange
    global_metrics: GlobalMetrics
    client_metrics: dict[str, ClientMetrics]
    convergence_slope: float | None = None


class Accepted(Struct, frozen=True):
    """The sequence number that ingest expects next from this journal."""

    next_seq: int


Level = Literal["healthy", "degraded"]


class ComponentHealth(Struct, frozen=True, omit_defaults=True):
    """One part that was really reached just now, and how long that took."""

    status: Literal["healthy", "degraded", "unknown"]
    latency_ms: float | None
    error: str | UnsetType = UNSET


class Health(Struct, frozen=True):
    """Whether the collector can keep and answer; `store_id` names its data directory."""

    status: Level
    service: str
    timestamp: str
    version: str
    store_id: str
    components: dict[str, ComponentHealth]


class ServerStatus(Struct, frozen=True):
    """The federated server as its newest run shows it."""

    status: str
    current_round: int | None = None
    active_clients: int | None = None
    last_update: str | None = None


class PolicyStatus(Struct, frozen=True):
    """The policy engine."""

    status: str
    active_policies: int | None = None
    events_per_minute: float | None = None
    last_update: str | None = None


class NetworkStatus(Struct, frozen=True):
    """The SDN controller."""

    status: str
    managed_devices: int | None = None
    active_flows: int | None = None
    last_update: str | None = None


class Components(Struct, frozen=True):
    """The services of a federation; one never seen has status `unknown`."""

    fl_server: ServerStatus
    policy_engine: PolicyStatus
    sdn_controller: NetworkStatus


class SignalCounts(Struct, frozen=True):
    """How much the store holds."""

    runs: int
    events: int
    samples: int
    spans: int


class SystemStatus(Struct, frozen=True):
    """The whole system at a glance."""

    timestamp: str
    system_health: Level
    components: Components
    signals: SignalCounts
