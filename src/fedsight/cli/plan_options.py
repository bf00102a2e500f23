"""The flags of a plan: one table, from which every command that takes a plan gets its flags."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from fedsight.cli.placing import completed
from fedsight.config import RunSettings

if TYPE_CHECKING:
    from fedsight.federated.plan import Plan

R = TypeVar("R")

TRAINING, ALGORITHM = "What is trained", "Algorithm"
SELECTION, ROUNDS = "Who trains", "What closes a round"
SCRUTINY = "Whose updates are looked at"
PERSONAL = "Models of the nodes' own"


class PlanOption(NamedTuple):
    """One flag: the plan's key, the type of its value, what it says, and where it stands."""

    key: str
    type: type[Any]
    help: str
    panel: str = TRAINING


OPTIONS = (
    PlanOption("task", str, "What to train: mnist, digits, telemetry, or package.module:object."),
    PlanOption("engine", str, "simulation (nodes in this process) or deployment."),
    PlanOption("nodes", int, "How many nodes share the data."),
    PlanOption("rounds", int, "How many rounds."),
    PlanOption("fraction", float, "Share of the nodes that train each round."),
    PlanOption("partition", str, "How the data is split: iid, dirichlet, shards; own: it is not."),
    PlanOption("alpha", float, "Dirichlet's alpha: the smaller, the more unequal."),
    PlanOption("epochs", int, "Local epochs a round."),
    PlanOption("lr", float, "Learning rate of local training."),
    PlanOption("momentum", float, "Momentum of local SGD."),
    PlanOption("batch_size", int, "Local batch size."),
    PlanOption("seed", int, "Seed of everything random."),
    PlanOption("data", str, "Folder of the nodes' own data: CSV files, one a node (telemetry)."),
    PlanOption("columns", str, "Columns of that data to look at."),
    PlanOption("local", str, "How simulated nodes train: loop (in turn) or cohort (all at once)."),
    PlanOption(
        "algorithm",
        str,
        "fedavg, fedprox, fedavgm, fedadam, fedyogi, fedadagrad or scaffold.",
        ALGORITHM,
    ),
    PlanOption("server_lr", float, "The server's learning rate.", ALGORITHM),
    PlanOption("server_momentum", float, "FedAvgM's momentum.", ALGORITHM),
    PlanOption("beta1", float, "Decay of the first moment.", ALGORITHM),
    PlanOption("beta2", float, "Decay of the second moment.", ALGORITHM),
    PlanOption("tau", float, "Adaptivity of FedAdam, FedYogi, FedAdagrad.", ALGORITHM),
    PlanOption("mu", float, "Weight of FedProx's proximal term.", ALGORITHM),
    PlanOption("weighting", str, "samples, uniform or package.module:function.", ALGORITHM),
    PlanOption("selection", str, "random, performance, resources, named, utility.", SELECTION),
    PlanOption("metric", str, "What ranks nodes: loss or accuracy.", SELECTION),
    PlanOption("explore", float, "Share of a round that is not ranked.", SELECTION),
    PlanOption("min_cpu", float, "Processors that a node must have.", SELECTION),
    PlanOption("min_memory_gb", float, "Memory that a node must have.", SELECTION),
    PlanOption("min_bandwidth_mbps", float, "Bandwidth that a node must have.", SELECTION),
    PlanOption("only", str, "Names or ids of the nodes that may train.", SELECTION),
    PlanOption("tags", str, "Tags that a node must all have.", SELECTION),
    PlanOption("where", str, "Properties that a node must have: key=value.", SELECTION),
    PlanOption("fair_rounds", int, "Every node trains once in so many rounds.", SELECTION),
    PlanOption("min_clients", int, "Nodes that must be there for a round to begin.", ROUNDS),
    PlanOption("wait_seconds", float, "How long to wait for them.", ROUNDS),
    PlanOption("timeout_seconds", float, "Deadline of a round; 300 in a deployment.", ROUNDS),
    PlanOption("quorum", int, "So many answers close a round.", ROUNDS),
    PlanOption("late", str, "Answers after that: count, use or drop.", ROUNDS),
    PlanOption("over_select", float, "Ask that share more nodes than wanted.", ROUNDS),
    PlanOption("mode", str, "sync, or async: a new model with every full buffer.", ROUNDS),
    PlanOption("buffer", int, "Answers that make a new model in mode async.", ROUNDS),
    PlanOption("staleness", float, "How much an older answer counts for less.", ROUNDS),
    PlanOption("silent_seconds", float, "When a warm node counts as gone.", ROUNDS),
    PlanOption("convergence_threshold", float, "End when 3 accuracies differ by less.", ROUNDS),
    PlanOption("scrutiny", bool, "Name nodes whose updates are unlike the others'.", SCRUTINY),
    PlanOption("exclude_suspects", bool, "Leave their updates out of the mean.", SCRUTINY),
    PlanOption("personal", bool, "Nodes tune the best model for themselves at the end.", PERSONAL),
    PlanOption("personal_epochs", int, "Local epochs of that.", PERSONAL),
    PlanOption("personal_lr", float, "Learning rate of that.", PERSONAL),
)
KEYS = tuple(option.key for option in OPTIONS)


def with_plan_options(command: Callable[..., R]) -> Callable[..., R]:
    """`command` with the flags of a plan in the place of its `**given`; those not given are left
    out of it."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    flags = [_parameter(option) for option in OPTIONS]

    def called(**values: Any) -> R:
        absent = {key for key in KEYS if values.get(key) is None}
        return command(**{name: one for name, one in values.items() if name not in absent})

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__signature__ = signature.replace(parameters=_keyword_only([*own, *flags]))  # type: ignore[attr-defined]
    hints = {name: one.annotation for name, one in called.__signature__.parameters.items()}  # type: ignore[attr-defined]
    called.__annotations__ = {**hints, "return": signature.return_annotation}
    return called


def plan(
    defaults: RunSettings, given: Mapping[str, Any], windows: Path, *, here: bool = True
) -> Plan:
    """The plan that the settings and the flags make, and the task where they say nothing.

    `windows` and `here` are `placing.completed`'s. Raises UsageError naming the wrong field.
    """
    from fedsight.federated.plan import Plan

    asked = {key: given[key] for key in KEYS if key in given}
    said = defaults.model_fields_set | asked.keys()
    known = completed(defaults.model_dump() | asked, said, windows, here=here)
    return Plan.of({key: value for key, value in known.items() if value is not None})


def _parameter(option: PlanOption) -> inspect.Parameter:
    default = RunSettings.model_fields[option.key].default
    shown = typer.Option(
        help=option.help,
        show_default="none" if default in (None, "") else str(default),
        rich_help_panel=option.panel,
    )
    return inspect.Parameter(
        option.key,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[option.type | None, shown],
    )


def _keyword_only(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
