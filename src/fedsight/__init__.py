"""Run federated learning on Flower, and see, govern and foresee all of it."""

__version__ = "0.1.0"
