"""Runs of tasks that bring what they are trained by, and whose nodes have data of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsight.errors import UsageError

if TYPE_CHECKING:
    from fedsight.federated.plan import Plan

#: The partition of a task whose nodes have data of their own: nothing is shared out.
OWN = "own"


def completed(
    known: Mapping[str, Any], said: Collection[str], windows: Path, *, here: bool = True
) -> dict[str, Any]:
    """The plan's keys as the task wants them where nobody said anything (`said`: where one did).

    Of nodes with data of their own there are as many as there is data of, where they are `here`
    and not behind a SuperLink that is up; without `data` they read `windows`. Raises UsageError
    where the task is none, or where keys do not fit it.
    """
    from fedsight.tasks import defaults

    own = defaults(str(known["task"]))
    unknown = sorted(set(own) - set(known))
    if unknown:
        raise UsageError(f"task {known['task']!r} has defaults for {unknown[0]}, no key of a plan")
    found = {**known, **{key: value for key, value in own.items() if key not in said}}
    if found["partition"] != OWN:
        if found["data"] and "data" in said:
            raise UsageError(
                f"data is {found['data']}, but task {found['task']} shares its own data out;"
                " leave it out, or choose a task whose nodes have data, such as telemetry"
            )
        return found
    found["data"] = str(Path(found["data"] or windows).expanduser().absolute())
    if here:
        found |= _there(found, said)
    return found


def _there(found: Mapping[str, Any], said: Collection[str]) -> dict[str, Any]:
    """What the data itself says of a run: how many nodes there are, and which columns."""
    from fedsight.tasks import Columned, Placed, load

    task, more = load(found["task"]), dict[str, Any]()
    if not isinstance(task, Placed):
        raise UsageError(
            f"partition {OWN} needs a task whose nodes have data of their own;"
            f" {found['task']}'s have not: choose iid, dirichlet or shards"
        )
    names = list(task.nodes(found["data"]))
    if "nodes" not in said:
        more["nodes"] = len(names)
    elif found["nodes"] > len(names):
        raise UsageError(few(found["nodes"], found["data"], names))
    if isinstance(task, Columned) and "columns" not in said:
        more["columns"] = ",".join(task.columns(found["data"]))
    return more


def few(wanted: int, source: str, names: Collection[str]) -> str:
    """That there is data of fewer nodes than are wanted."""
    return f"nodes is {wanted}, but {source} has data of {len(names)}: {', '.join(names)}"


def local_nodes(plan: Plan) -> int | dict[str, str]:
    """How many nodes a federation on this machine has; with data of their own, what they are called
    and where each finds it. Raises UsageError where there is data of fewer."""
    if plan.partition != OWN:
        return plan.nodes
    from fedsight.federated.engines.simulated import node_sources
    from fedsight.tasks import load

    return node_sources(plan, load(plan.task, plan.columns)) or plan.nodes
