"""The start that really trains: a journal that ships, model versions, and `training.train`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from fedsight.federated.api.options import FederationOptions
from fedsight.federated.api.runs import Assignment, Ended
from fedsight.federated.versions import ModelStore, RunKeeper
from fedsight.journal import Journal, Shipper
from fedsight.journal.proven import ProvenSink
from fedsight.signals import Batch

if TYPE_CHECKING:
    from fedsight.federated.governance import Governance
    from fedsight.federated.governing import Ruled
    from fedsight.federated.training import Link

FLUSH_SECONDS = 5.0
#: The folder of the data directory in which nodes of this machine keep models of their own.
PERSONAL = "personal"

#: Makes the way to nodes elsewhere when a run wants it: its parts take seconds to import.
Way = Callable[[], "Link"]


#: What makes a run's governance while the context lasts, given its journal.
Rule = Callable[["Teed"], AbstractContextManager["Callable[[Ruled], Governance]"]]


class Teed:
    """A recorder that tells of what it has kept."""

    def __init__(self, journal: Journal, note: Callable[[Batch], object]) -> None:
        self._journal = journal
        self._note = note

    def append(self, batch: Batch) -> int:
        """Keep the batch, then tell of it; returns its sequence number."""
        seq = self._journal.append(batch)
        self._note(batch)
        return seq


class Trained:
    """Trains on the engine of the plan; `link` leads to nodes elsewhere, `rule` governs each run.

    Where no collector answers, the journal stays in the data directory, and the next collector
    fetches it.
    """

    def __init__(
        self,
        options: FederationOptions,
        token: str,
        link: Way | None = None,
        rule: Rule | None = None,
    ) -> None:
        self._options = options
        self._token = token
        self._link = link
        self._rule = rule

    def __call__(self, assignment: Assignment) -> Ended:
        """As `Start`."""
        options, run_id = self._options, assignment.run_id
        journal = Journal(options.journals, run_id, max_bytes=options.journal_bytes)
        try:
            sink = ProvenSink(options.collector, options.data, self._token, options.trust.verify())
            with closing(sink), Shipper(journal, sink) as shipper:
                ended = self._train(assignment, journal)
                if shipper.health.last_error is None:
                    shipper.flush(FLUSH_SECONDS)
        finally:
            journal.discard()
        return ended

    def _train(self, assignment: Assignment, journal: Journal) -> Ended:
        # torch and flwr take seconds to import: the server answers before they are there.
        assignment.progress.begin("starting", "loads torch and Flower")
        from fedsight.federated.runs.checkpoint import Checkpoints
        from fedsight.federated.training import Steering, train
        from fedsight.tasks import described, load

        plan, keep = assignment.order.plan, assignment.order.keep
        assignment.progress.begin("starting", f"loads task {plan.task} and its nodes")
        store = ModelStore(self._options.models)
        model = described(load(plan.task, plan.columns))
        teed = Teed(journal, assignment.note)
        steering = Steering(assignment.control, assignment.progress, on_nodes=assignment.on_nodes)
        with nullcontext() if self._rule is None else self._rule(teed) as steering.govern:
            outcome = train(
                plan,
                teed,
                run_id=assignment.run_id,
                steering=steering,
                models=RunKeeper(store, assignment.run_id, plan.task, keep, model),
                checkpoints=Checkpoints(self._options.checkpoints),
                link=None if self._link is None else self._link(),
                kept=self._options.data / PERSONAL,
            )
        return Ended(outcome.state, outcome.reason)
