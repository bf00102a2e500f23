"""Which algorithm makes the next global model, and with which constants."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fedsight.errors import UsageError
from fedsight.federated.plan import checks

ALGORITHMS = ("fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "scaffold")
WEIGHTINGS = ("samples", "uniform")

_FUNCTION = re.compile(r"\w+(\.\w+)*:\w+")


@dataclass(frozen=True)
class AlgorithmPlan:
    """The algorithm by name, and its constants; those it has no use for are left alone.

    `server_lr` None is the algorithm's own; `mu` is FedProx's; `weighting` says what an update
    weighs: `samples`, `uniform`, or a function `package.module:name`.
    """

    algorithm: str = "fedavg"
    server_lr: float | None = None
    server_momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3
    mu: float = 0.1
    weighting: str = "samples"

    def __post_init__(self) -> None:
        checks.one_of("algorithm", self.algorithm, ALGORITHMS)
        if self.server_lr is not None:
            checks.number("server_lr", self.server_lr, above=0.0)
        checks.number("server_momentum", self.server_momentum, least=0.0, below=1.0)
        checks.number("beta1", self.beta1, least=0.0, below=1.0)
        checks.number("beta2", self.beta2, least=0.0, below=1.0)
        checks.number("tau", self.tau, above=0.0)
        checks.number("mu", self.mu, least=0.0)
        if self.weighting not in WEIGHTINGS and not _FUNCTION.fullmatch(self.weighting):
            allowed = ", ".join(WEIGHTINGS)
            raise UsageError(
                f"weighting must be one of {allowed}, or package.module:function,"
                f" got {self.weighting!r}"
            )
