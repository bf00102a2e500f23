"""Who trains in a round, and why: pure functions of the run's seed, the round, the nodes and what
the rounds before told of them."""

from fedsight.federated.selection.choice import NODES_SELECTED, Choice, Limit, details
from fedsight.federated.selection.draw import Choose, random_fraction
from fedsight.federated.selection.eligibility import eligible
from fedsight.federated.selection.selected import Limited, Selected
from fedsight.federated.selection.selector import Chosen, Selector, selector

__all__ = [
    "NODES_SELECTED",
    "Choice",
    "Choose",
    "Chosen",
    "Limit",
    "Limited",
    "Selected",
    "Selector",
    "details",
    "eligible",
    "random_fraction",
    "selector",
]
