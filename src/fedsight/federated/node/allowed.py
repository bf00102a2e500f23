"""Which tasks a node in a process of its own loads: fedsight's, and those that its operator named.

A run names its task as `package.module:object`. To load one is to import a module and to call what
it has under that name: whoever may submit runs would choose what a node's process runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from fedsight.errors import FedsightError, UsageError
from fedsight.tasks import BUILT_IN

#: Tasks of one's own that this process may load, parted by commas. Flower's own node, too, hands it
#: on to the processes in which it runs apps.
TASKS_VARIABLE = "FEDSIGHT_NODE_TASKS"
_TASK = re.compile(r"\w+(\.\w+)*:\w+")


def tasks_of(given: Iterable[str]) -> tuple[str, ...]:
    """Names of tasks out of texts that part them by commas. Raises UsageError on what is none."""
    names = [name for text in given for each in text.split(",") if (name := each.strip())]
    for name in names:
        if name not in BUILT_IN and not _TASK.fullmatch(name):
            raise UsageError(
                "tasks must be package.module:object, parted by commas, or of"
                f" {', '.join(sorted(BUILT_IN))}; got {name!r}"
            )
    return tuple(dict.fromkeys(names))


def allow(tasks: Iterable[str]) -> None:
    """Let this process, and those that it starts, load these tasks, too."""
    os.environ[TASKS_VARIABLE] = ",".join(tasks_of((os.environ.get(TASKS_VARIABLE, ""), *tasks)))


def refuse_unless_allowed(task: str) -> None:
    """Raise FedsightError naming the flag where this process may not load that task."""
    if task in BUILT_IN or task in tasks_of([os.environ.get(TASKS_VARIABLE, "")]):
        return
    raise FedsightError(
        f"this node does not load task {task!r}, which a run named: to allow it, start the node"
        f" with --tasks {task} (Flower's own with {TASKS_VARIABLE}={task})"
    )
