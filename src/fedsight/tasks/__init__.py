"""Workloads to train: one file each. `load` finds one by name or as `package.module:object`."""

from fedsight.tasks.task import (
    BUILT_IN,
    Columned,
    Dataset,
    Described,
    Partition,
    Placed,
    Recipe,
    Scored,
    Task,
    Validated,
    defaults,
    described,
    load,
)

__all__ = [
    "BUILT_IN",
    "Columned",
    "Dataset",
    "Described",
    "Partition",
    "Placed",
    "Recipe",
    "Scored",
    "Task",
    "Validated",
    "defaults",
    "described",
    "load",
]
