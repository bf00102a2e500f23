"""A run on real processes, and what its journal has to say of it afterwards."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from fedsight.config import Settings, load
from fedsight.federated.fleet import Fleet
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import Federation
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan import DEPLOYMENT, Plan
from fedsight.federated.training import Outcome, RoundReport, Steering, train
from fedsight.journal import Journal
from fedsight.signals import Event, samples_of
from tests.federated.faults.paced import COUNTING, until

#: What a round may take beyond its deadline.
BEYOND_SECONDS = 2.0


def settings(data: Path) -> Settings:
    """The defaults, with that data directory."""
    return replace(load(None), data=data)


def plan(**keys: Any) -> Plan:
    """A plan of the counting task on the deployment engine, from flat keys."""
    return Plan.of({"task": COUNTING, "engine": DEPLOYMENT, **keys})


@dataclass
class Running:
    """A run in a thread of the test; `reports` are its rounds so far."""

    plan: Plan
    journal: Journal
    steering: Steering = field(default_factory=Steering)
    reports: list[RoundReport] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    fleets: list[Fleet] = field(default_factory=list)

    def rounds(self, count: int, within: float = 60.0) -> None:
        """Wait until so many rounds have ended."""
        until(lambda: len(self.reports) >= count or bool(self.errors), within, f"{count} rounds")
        assert not self.errors, self.errors

    def events(self, kind: str) -> list[Event]:
        """What the journal has of that kind."""
        return [each for each in events(self.journal) if each.kind == kind]

    def said(self, kind: str, node: str, within: float = 60.0) -> Event:
        """Wait until the journal has it of that node; the first of them."""
        until(lambda: any(each.node == node for each in self.events(kind)), within, kind)
        return next(each for each in self.events(kind) if each.node == node)

    def outcome(self, within: float = 90.0) -> Outcome:
        """Its end; fails where it does not end."""
        until(lambda: bool(self.outcomes or self.errors), within, "the end of the run")
        assert not self.errors, self.errors
        return self.outcomes[0]


@contextmanager
def running(federation: Federation | str, folder: Path, plan: Plan) -> Iterator[Running]:
    """Train in a thread on a federation's nodes; stopped at the end of the block."""
    address = federation if isinstance(federation, str) else federation.address
    link = Linked(Place(Address.of(address)), plan.nodes)
    with Journal(folder / "journals", "r-1", max_bytes=2**30) as journal:
        run = Running(plan, journal)
        run.steering.on_round = run.reports.append
        run.steering.on_wait = run.waits.append
        run.steering.on_fleet = run.fleets.append

        def work() -> None:
            try:
                run.outcomes.append(
                    train(plan, journal, run_id="r-1", steering=run.steering, link=link)
                )
            except BaseException as error:  # the test looks at it
                run.errors.append(error)

        thread = threading.Thread(target=work, name="training", daemon=True)
        thread.start()
        try:
            yield run
        finally:
            run.steering.control.stop("the test is over")
            thread.join(30)


def events(journal: Journal) -> list[Event]:
    """All events of a journal, as they were appended."""
    return [event for record in journal.read(0, 10**6) for event in record.batch.events]


def taking_part(journal: Journal) -> dict[int, list[str]]:
    """The nodes whose update was averaged in, by round."""
    found: dict[int, list[str]] = {}
    for record in journal.read(0, 10**6):
        for sample in samples_of(record.batch.samples):
            if sample.name == "fl_client_train_seconds":
                found.setdefault(sample.round or 0, []).append(sample.labels["node"])
    return found


def assert_sound(run: Running, rounds: int, deadline: float) -> dict[int, list[str]]:
    """The run ended with its rounds, each once and within its deadline, and no node twice in one.

    Returns who took part, by round.
    """
    outcome = run.outcome()
    assert (outcome.state, outcome.rounds) == ("finished", rounds), outcome
    ends = [
        event.round
        for event in events(run.journal)
        if event.kind in {"ROUND_COMPLETED", "ROUND_FAILED"}
    ]
    assert ends == list(range(1, rounds + 1))
    assert max(report.seconds for report in run.reports) <= deadline + BEYOND_SECONDS
    there = taking_part(run.journal)
    for names in there.values():
        assert max(Counter(names).values()) == 1
    return there


class Traffic:
    """How many bytes one node has been sent and has sent since now, as the SuperLink counts."""

    def __init__(self, run: Running, federation: Federation, name: str) -> None:
        self._address = federation.address
        self._id = next(str(node.node_id) for node in run.fleets[0].nodes() if node.name == name)
        self._before = self._report()

    def down(self) -> int:
        """Bytes to the node."""
        return self._report()["bytes_out"] - self._before["bytes_out"]

    def up(self) -> int:
        """Bytes from the node."""
        return self._report()["bytes_in"] - self._before["bytes_in"]

    def _report(self) -> dict[str, int]:
        url = f"http://{self._address}/fedsight/v1/nodes"
        found = httpx.get(url, trust_env=False, timeout=30).json()["nodes"]
        return next(node for node in found if node["node_id"] == self._id)
