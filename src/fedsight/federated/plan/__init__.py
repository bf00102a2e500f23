"""What a run is asked to do, in six parts, checked before anything heavy is imported.

`Plan` is the whole; its algorithm, its selection, its rules for rounds, its scrutiny and the nodes'
own models are parts of their own.
Every field has one flat name, the same as a command line flag, a setting in `[run]` and a key of
Flower's run configuration.
"""

from fedsight.federated.plan.algorithm import ALGORITHMS, AlgorithmPlan
from fedsight.federated.plan.personal import PersonalPlan
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
    "PersonalPlan",
    "Plan",
    "RoundPlan",
    "ScrutinyPlan",
    "SelectionPlan",
]
