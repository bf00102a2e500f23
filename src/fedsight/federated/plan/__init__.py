"""What a run is asked to do, in five parts, checked before anything heavy is imported.

`Plan` is the whole; its algorithm, its selection, its rules for rounds and its scrutiny
are parts of their own.
Every field has one flat name, the same as a command line flag, a setting in `[run]` and a key of
Flower's run configuration.
"""

from fedsight.federated.plan.algorithm import ALGORITHMS, AlgorithmPlan
from fedsight.federated.plan.plan import (
    COHORT,
    DEPLOYMENT,
    ENGINES,
    LOCAL,
    LOOP,
    MOST_NODES_A_ROUND,
    SCHEMES,
    SIMULATION,
    Plan,
)
from fedsight.federated.plan.rounds import ASYNC, LATE, SYNC, RoundPlan
from fedsight.federated.plan.scrutiny import ScrutinyPlan
from fedsight.federated.plan.selection import SELECTIONS, SelectionPlan

__all__ = [
    "ALGORITHMS",
    "ASYNC",
    "COHORT",
    "DEPLOYMENT",
    "ENGINES",
    "LATE",
    "LOCAL",
    "LOOP",
    "MOST_NODES_A_ROUND",
    "SCHEMES",
    "SELECTIONS",
    "SIMULATION",
    "SYNC",
    "AlgorithmPlan",
    "Plan",
    "RoundPlan",
    "ScrutinyPlan",
    "SelectionPlan",
]
