"""Governs runs in this process: the policy set, the trust of clients and the audit trail of a data
directory, opened together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedsight.federated.beginning import START
from fedsight.federated.deciding import KEY, TRAIL
from fedsight.federated.governance import RUN_GOVERNED, Decides, Governance
from fedsight.federated.rounds.muster import Say
from fedsight.federated.runs.telling import Recorder
from fedsight.policy.audit import Anchor, SigningKey, Trail, witness
from fedsight.policy.heads import Heads
from fedsight.policy.overseer import Overseer
from fedsight.policy.remote import RemoteOverseer
from fedsight.policy.shared_trust import TRUST, SharedTrust
from fedsight.policy.slices import Kinds
from fedsight.policy.trust import Change, TrustRule
from fedsight.policy.watching import InForce
from fedsight.signals import Batch, Event, Json, Sample, batch

#: What a run asks: made ready before its first round.
ASKED: tuple[Kinds, ...] = (
    (START, "Server", "Run"),
    ("nextRound", "Server", "Run"),
    ("train", "Client", "Federation"),
    ("shareModel", "Client", "Model"),
)


@dataclass(frozen=True)
class Ruled:
    """The run that is to be governed: who it is, and what it tells and knows."""

    run: str
    rounds: int
    say: Say
    suspected: Callable[[str], bool]


@contextmanager
def governing(
    rules: Path,
    data: Path,
    journal: Recorder,
    *,
    observe: bool = False,
    trust: TrustRule | None = None,
) -> Iterator[Callable[[Ruled], Governance]]:
    """What makes a run's governance by the policy set in `rules`, for `Steering.govern`.

    Decisions are recorded in the audit trail of the data directory, beside whoever else writes it;
    heads of it and changes of trust are journaled. Raises PolicyError where the set is
    wrong, and AuditError where the trail cannot be opened.
    """
    told: list[str] = []

    def tell(event: Event) -> None:
        journal.append(Batch(events=[event]))

    def anchored(anchor: Anchor) -> None:
        tell(witness.event(anchor, told[-1] if told else None))

    force = InForce(rules, tell, observe=observe)
    force.engine.prepare(ASKED, time.time_ns())
    with (
        closing(SharedTrust(data / TRUST, trust)) as book,
        Trail(data / TRAIL, SigningKey.open(data / KEY), anchored) as trail,
        Heads(trail) as heads,
    ):
        overseer = Overseer(lambda: force.engine, trail, tell, heads=heads)
        make = _maker(overseer, book, journal, force)

        def govern(one: Ruled) -> Governance:
            told.append(one.run)
            return make(one)

        yield govern


@contextmanager
def asking(
    service: RemoteOverseer, data: Path, journal: Recorder, *, trust: TrustRule | None = None
) -> Iterator[Callable[[Ruled], Governance]]:
    """The same by a policy service, which records what it decides; closed at the end.

    The trust of clients is this data directory's.
    """
    try:
        with closing(SharedTrust(data / TRUST, trust)) as book:
            yield _maker(service, book, journal)
    finally:
        service.close()


def _maker(
    overseer: Decides,
    book: SharedTrust,
    journal: Recorder,
    force: InForce | None = None,
) -> Callable[[Ruled], Governance]:
    """`force` is the set, where it decides in this process."""

    def learned(changes: Sequence[Change]) -> None:
        if not changes:
            return
        journal.append(Batch(events=[one.event() for one in changes]))

    def counted(figures: list[Sample]) -> None:
        journal.append(batch(figures))

    def govern(one: Ruled) -> Governance:
        def decides(round: int, version: str, before: str) -> None:
            one.say(RUN_GOVERNED, _set(force, version, before), round=round)

        return Governance(
            overseer,
            book,
            one.run,
            one.rounds,
            suspected=one.suspected,
            say=one.say,
            on_trust=learned,
            on_figures=counted,
            on_set=decides,
            look=(lambda: None) if force is None else force.look,
        )

    return govern


def _set(force: InForce | None, version: str, before: str) -> dict[str, Json]:
    """What is told of the set that decides; of a service's no more than its version is known."""
    told: dict[str, Json] = {"version": version}
    if before:
        told["before"] = before
    if force is not None:
        told["observed"] = force.engine.observe
        digest = force.engine.ruleset.digest
        if digest.startswith(version):  # else it has changed since
            told["set_sha256"] = digest
    return told
