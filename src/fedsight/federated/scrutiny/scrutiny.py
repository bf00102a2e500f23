"""One run's scrutiny: updates are seen one at a time, and judged when the round is whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fedsight.federated.flat import Vector
from fedsight.federated.runs.state import State
from fedsight.federated.scrutiny.evidence import Evidence, Suspicion
from fedsight.federated.scrutiny.outliers import Look, looks
from fedsight.federated.scrutiny.sketch import DIRECT, Sketch, Sketcher, direct, gathered
from fedsight.signals import Json


class Verdict(NamedTuple):
    """What a round gave of one node: its update beside the others', and what is known by now."""

    look: Look
    suspicion: Suspicion | None

    @property
    def score(self) -> float | None:
        """The evidence so far; None where nothing is known."""
        return None if self.suspicion is None else self.suspicion.score

    @property
    def suspected(self) -> bool:
        """Whether the node is suspected by now."""
        return self.suspicion is not None and self.suspicion.suspected

    @property
    def changed(self) -> bool:
        """Whether that is so, or is no longer so, since this round."""
        return self.suspicion is not None and self.suspicion.changed

    @property
    def method(self) -> str:
        """What speaks most against the update: norm, cosine or twin."""
        found = {
            "norm": self.look.norm_deviation or 0.0,
            "cosine": self.look.cosine_deviation or 0.0,
            "twin": self.look.twin_deviation or 0.0,
        }
        return max(found, key=lambda name: found[name])

    def details(self) -> dict[str, Json]:
        """What an event says: the method, the score and its threshold, and the evidence."""
        suspicion = self.suspicion
        return {
            "message": f"the node's updates are unlike the others', by their {self.method}"
            if self.suspected
            else "the node's updates are like the others' again",
            "method": self.method,
            "score": None if suspicion is None else _rounded(suspicion.score),
            "threshold": None if suspicion is None else suspicion.threshold,
            "evidence": {
                "rounds": 0 if suspicion is None else suspicion.rounds,
                **{name: _rounded(value) for name, value in self.look._asdict().items()},
            },
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


class Scrutiny:
    """Looks at a run's updates. Holds a sketch of each for as long as its round lasts."""

    def __init__(self, seed: int | None = None) -> None:
        self._sketcher = Sketcher(seed)
        self._rng = np.random.default_rng(seed)
        self._evidence = Evidence()
        self._model: Vector = np.empty(0, np.float32)
        self._sketches: dict[str, Sketch] = {}
        self._short: dict[str, Vector] = {}
        self._samples: dict[str, float] = {}

    def begin(self, model: Vector) -> None:
        """A round begins from `model`, shape (n,), which is not copied and not written to."""
        self._model = model
        self._sketches.clear()
        self._short.clear()
        self._samples.clear()

    def see(self, node: str, vector: Vector, samples: float = 0) -> None:
        """A node's model has come; one of another shape or dtype is not looked at.

        `samples` is how many it says it was trained on; 0 where it does not.
        """
        model = self._model
        if vector.shape != model.shape or vector.dtype != model.dtype:
            return
        self._samples[node] = samples
        if len(model) <= DIRECT:
            self._short[node] = vector
        else:
            self._sketches[node] = self._sketcher.sketch(vector, model)

    def judge(self) -> dict[str, Verdict]:
        """The round is whole: a verdict on every node that was seen."""
        nodes = list(self._short or self._sketches)
        if not nodes:
            return {}
        samples = [self._samples[node] for node in nodes]
        if self._short:
            sketches = direct(list(self._short.values()), self._model, samples)
        else:
            sketches = gathered(list(self._sketches.values()), samples)
        self._sketches.clear()
        self._short.clear()
        self._samples.clear()
        found = looks(sketches, self._rng)
        return {
            node: Verdict(look, self._evidence.add(node, look))
            for node, look in zip(nodes, found, strict=True)
        }

    def suspicion(self, node: str) -> Suspicion | None:
        """What is known of a node so far."""
        return self._evidence.of(node)

    def state(self) -> State:
        """See `runs.state.Stateful`."""
        return self._evidence.state()

    def load(self, state: State) -> None:
        """See `runs.state.Stateful`."""
        self._evidence.load(state)
