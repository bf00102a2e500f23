"""What an algorithm adds to a node's gradients before each step of the optimizer it trains by.

FedProx adds mu (w - x), the gradient of its proximal term mu/2 |w - x|² in the loss (Li et al.
2020, "Federated optimization in heterogeneous networks"); SCAFFOLD adds c - c_i (Karimireddy et al.
2020). The task's `train` is left as it is: torch calls what is registered here before every
optimizer's step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.node.assignment import Assignment


@dataclass
class _Terms:
    """One parameter: the global model's value for it and its correction, where there are any."""

    anchor: Tensor | None
    correction: Tensor | None
    #: How far a gradient that is 1 at every step would have moved it: K times the learning rate.
    rate: float = 0.0

    def add_to(self, parameter: Tensor, mu: float, sign: float) -> None:
        """Add both terms to the parameter's gradient; one that has none yet counts as zero."""
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if self.anchor is not None:
            self.anchor = self.anchor.to(parameter)  # only the first time a model was moved
            parameter.grad.add_(parameter.detach() - self.anchor, alpha=sign * mu)
        if self.correction is not None:
            self.correction = self.correction.to(parameter)
            parameter.grad.add_(self.correction, alpha=sign)


class AddedGradients:
    """Adds an assignment's terms to the gradients of a model's parameters, while it is entered.

    Buffers and frozen parameters are left alone, and so are other models' parameters. Every step
    adds the terms once, to what the gradient is by then: after gradients were clipped, say.
    """

    def __init__(self, model: FlatModel, assignment: Assignment) -> None:
        self._mu = assignment.mu
        self._corrected = assignment.correction is not None
        anchor = _tensor(assignment.vector) if assignment.mu else None
        correction = None if assignment.correction is None else _tensor(assignment.correction)
        if correction is not None and len(correction) != len(model):
            raise ValueError(f"model has {len(model)} values, its correction {len(correction)}")
        self._terms = {
            id(parameter): _Terms(
                None if anchor is None else anchor[start:stop].view(parameter.shape),
                None if correction is None else correction[start:stop].view(parameter.shape),
            )
            for parameter, start, stop in model.parameters()
        }
        self._velocities: dict[tuple[int, int], float] = {}
        self._steps = 0

    def __enter__(self) -> Self:
        self._hook = register_optimizer_step_pre_hook(self._before)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def steps(self, moved: bool) -> tuple[int, float]:
        """How many steps were taken, and the sum of their lengths, K times the learning rate.

        With momentum, a step's length is how far a gradient that is always 1 would have moved the
        model in it. Raises RuntimeError where the model has `moved` by no optimizer's step, and
        where SCAFFOLD cannot tell one length for all parameters.
        """
        if moved and not self._steps:
            raise RuntimeError(
                "the task's train changes the model by other means than a torch optimizer's step:"
                " the algorithm cannot add to its gradients"
            )
        rates = {terms.rate for terms in self._terms.values() if terms.rate}
        if self._corrected and len(rates) > 1:
            low, high = min(rates), max(rates)
            raise RuntimeError(
                "scaffold needs one learning rate for all parameters, over all steps of a round"
                f" they add up to {low:g} for some and to {high:g} for others"
            )
        return self._steps, max(rates, default=0.0)

    def _before(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Called by torch before a step. A closure makes gradients within the step: after it."""
        if self._corrected and self._trains(optimizer) and not isinstance(optimizer, SGD):
            name = type(optimizer).__name__
            raise RuntimeError(f"scaffold needs nodes that train by torch.optim.SGD, got {name}")
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._add(optimizer)
            return None
        return args[:1], {**kwargs, "closure": self._after(closure, optimizer)}

    def _after(self, closure: Callable[[], Any], optimizer: Optimizer) -> Callable[[], Any]:
        def corrected() -> Any:
            loss = closure()
            self._add(optimizer)
            return loss

        return corrected

    def _trains(self, optimizer: Optimizer) -> bool:
        groups = optimizer.param_groups
        return any(id(one) in self._terms for group in groups for one in group["params"])

    def _add(self, optimizer: Optimizer) -> None:
        known = False
        for at, group in enumerate(optimizer.param_groups):
            mine = [one for one in group["params"] if one.requires_grad and id(one) in self._terms]
            if not mine:
                continue
            known = True
            length = self._length((id(optimizer), at), group)
            sign = -1.0 if group.get("maximize") else 1.0
            with torch.no_grad():
                for parameter in mine:
                    terms = self._terms[id(parameter)]
                    terms.add_to(parameter, self._mu, sign)
                    terms.rate += length
        self._steps += known

    def _length(self, key: tuple[int, int], group: dict[str, Any]) -> float:
        """How far a gradient that was 1 in every step so far moves a parameter in this one."""
        momentum, lr = group.get("momentum", 0.0), float(group["lr"])
        if not momentum:
            return lr
        before = self._velocities.get(key)
        velocity = 1.0 if before is None else momentum * before + 1 - group.get("dampening", 0.0)
        self._velocities[key] = velocity
        return lr * (1 + momentum * velocity if group.get("nesterov") else velocity)


def _tensor(vector: Vector) -> Tensor:
    """A copy: torch takes no array that must not be written to."""
    return torch.from_numpy(np.array(vector))
