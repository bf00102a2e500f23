"""What a node is asked to do in one round."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.federated.flat import Vector


@dataclass(frozen=True)
class Assignment:
    """The global model `vector`, shape (n,), and the round it is trained in.

    `mu` adds mu (w - vector) to every gradient (FedProx), and `correction`, shape (n,), itself
    (SCAFFOLD's c - c_i). Neither array is written to.
    """

    vector: Vector
    round: int
    mu: float = 0.0
    correction: Vector | None = None

    @property
    def plain(self) -> bool:
        """Whether the node trains as its task says, and nothing is added to its gradients."""
        return self.mu == 0 and self.correction is None
