"""The ClientApp that Ray's workers run: fedsight's own, all nodes of a worker kept warm.

A module of its own, so that workers import it by name instead of unpickling it for each message.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import cast

import torch
from flwr.app import Context
from flwr.clientapp import ClientApp

from fedsight.federated.flat import FlatModel
from fedsight.federated.node.client import Trainer, client_app
from fedsight.federated.plan import Plan
from fedsight.tasks import load


def app_of(plan: Plan) -> ClientApp:
    """The ClientApp of every node of `plan`."""
    return client_app(partial(_trainer, plan))


def _trainer(plan: Plan, context: Context) -> Trainer:
    return _trainers(plan)[int(cast(int, context.node_config["partition-id"]))]


@lru_cache(maxsize=1)
def _trainers(plan: Plan) -> list[Trainer]:
    """All nodes of the plan in this process, their data loaded, sharing one model."""
    torch.set_num_threads(1)
    task = load(plan.task)
    model = FlatModel(task.model(plan.seed))
    trainers = [Trainer(task, plan, model, index) for index in range(plan.nodes)]
    for trainer in trainers:
        trainer.prepare()
    return trainers
