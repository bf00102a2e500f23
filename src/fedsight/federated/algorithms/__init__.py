"""What makes the next global model of what the nodes send: a Flower Strategy by its name."""

from fedsight.federated.algorithms.mean import WeightedMean
from fedsight.federated.algorithms.registry import strategy

__all__ = ["WeightedMean", "strategy"]
