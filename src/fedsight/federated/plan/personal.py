"""Models of the nodes' own, tuned after the last round."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.federated.plan import checks


@dataclass(frozen=True)
class PersonalPlan:
    """With `personal`, each node tunes the run's best model on its own data once the rounds are
    over: `personal_epochs` at learning rate `personal_lr`. It keeps what is better on its own
    validation part, and sends figures alone.
    """

    personal: bool = False
    personal_epochs: int = 3
    personal_lr: float = 0.003

    def __post_init__(self) -> None:
        checks.whole("personal_epochs", self.personal_epochs, 1, 1_000_000)
        checks.number("personal_lr", self.personal_lr, above=0.0)
