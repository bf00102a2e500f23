"""From the body of `POST /start` to a plan; what cannot be done is refused by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from fedsight.door.refusal import BadFieldError
from fedsight.errors import UsageError
from fedsight.federated.api.runs import Order
from fedsight.federated.plan import SIMULATION, Plan

Scalar = bool | int | float | Annotated[str, Meta(max_length=1024)] | None
Word = Annotated[str, Meta(min_length=1, max_length=64)]


class TrainingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How to train, under the names of the HTTP API; null: as the server is configured."""

    algorithm: Word | None = None
    min_clients: int | None = None
    max_rounds: int | None = None
    client_fraction: float | None = None
    local_epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    convergence_threshold: float | None = None
    timeout_seconds: float | None = None
    task: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which model: a task's name, or the kind that a built-in task trains (`cnn`, `mlp`).

    `input_shape` and `num_classes`, where given, must be the task's. Without `versioning` no model
    is kept.
    """

    architecture: Word | None = None
    input_shape: Annotated[list[int], Meta(max_length=8)] | None = None
    num_classes: int | None = None
    compression: bool = False
    versioning: bool = True


class PrivacyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not built yet; the figures are read only where their switch is on."""

    differential_privacy: bool = False
    epsilon: float | None = None
    delta: float | None = None
    secure_aggregation: bool = False
    gradient_clipping: bool = False
    max_grad_norm: float | None = None


class NetworkConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not built yet."""

    sdn_integration: bool = False
    traffic_prioritization: bool = False
    bandwidth_allocation: Word | None = None
    qos_enabled: bool = False


class StartRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /start`. `plan` holds any flat key of a plan (docs/cli.md)."""

    training_config: TrainingConfig = TrainingConfig()
    model_config: ModelConfig = ModelConfig()
    privacy_config: PrivacyConfig = PrivacyConfig()
    network_config: NetworkConfig = NetworkConfig()
    plan: Annotated[dict[str, Scalar], Meta(max_length=64)] = {}


#: Keys of the plan by their names in `training_config`.
PLAN_KEYS: Mapping[str, str] = {
    "algorithm": "algorithm",
    "min_clients": "min_clients",
    "max_rounds": "rounds",
    "client_fraction": "fraction",
    "local_epochs": "epochs",
    "learning_rate": "lr",
    "batch_size": "batch_size",
    "convergence_threshold": "convergence_threshold",
    "timeout_seconds": "timeout_seconds",
    "task": "task",
}
#: The kinds of models that built-in tasks train.
ARCHITECTURES: Mapping[str, str] = {"cnn": "mnist", "mlp": "digits"}
#: What a built-in task's model takes in, a channel last, and how many classes it tells apart.
SHAPES: Mapping[str, tuple[list[list[int]], int]] = {
    "mnist": ([[28, 28, 1], [28, 28]], 10),
    "digits": ([[8, 8, 1], [8, 8], [64]], 10),
}


Asked = dict[str, tuple[str, Any]]


def ordered(request: StartRequest, defaults: Order) -> Order:
    """What the run is to do. Raises BadFieldError naming the field that cannot be done."""
    _refuse_unbuilt(request)
    asked = _asked(request)
    field, engine = asked.get("engine", ("", defaults.plan.engine))
    if engine != defaults.plan.engine:
        raise BadFieldError(field, f"this server was started for engine {defaults.plan.engine}")
    task = _task(request, asked, defaults.plan.task)
    flat = {**defaults.plan.config(), **{key: value for key, (_, value) in asked.items()}}
    flat["task"] = task
    try:
        plan = Plan.of(flat)
    except UsageError as error:
        raise _named(error, asked) from None
    _check_nodes(plan, asked)
    return Order(plan, defaults.keep if request.model_config.versioning else 0)


def _check_nodes(plan: Plan, asked: Asked) -> None:
    """Nodes may join a deployment later; a simulation has what it has."""
    least = plan.closing.min_clients
    if plan.engine == SIMULATION and least > plan.nodes:
        field = asked["min_clients"][0] if "min_clients" in asked else "plan.nodes"
        raise BadFieldError(field, f"{least} clients are wanted of {plan.nodes} nodes")


def _refuse_unbuilt(request: StartRequest) -> None:
    wanted = [
        f"{section}.{name}"
        for section in ("privacy_config", "network_config")
        for name, value in msgspec.structs.asdict(getattr(request, section)).items()
        if value is True
    ]
    if request.model_config.compression:
        wanted.append("model_config.compression")
    if request.network_config.bandwidth_allocation not in (None, "none"):
        wanted.append("network_config.bandwidth_allocation")
    if wanted:
        more = f", nor {', '.join(wanted[1:])}" if len(wanted) > 1 else ""
        raise BadFieldError(wanted[0], f"is not built yet{more}; nothing was started")


def _asked(request: StartRequest) -> Asked:
    """What the request says of the plan's keys, each with the field that says it."""
    found: Asked = {}
    for name, value in msgspec.structs.asdict(request.training_config).items():
        if value is not None:
            found[PLAN_KEYS[name]] = (f"training_config.{name}", value)
    for key, value in request.plan.items():
        field = f"plan.{key}"
        _check_key(key, value, field)
        if key in found:
            raise BadFieldError(field, f"{found[key][0]} says it already")
        if value is not None:
            found[key] = (field, value)
    return found


def _check_key(key: str, value: Scalar, field: str) -> None:
    keys = Plan.keys()
    if key not in keys:
        near = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(keys))}"
        raise BadFieldError(field, f"no such key of a plan; {hint}")
    kind = _kind(key)
    fits = type(value) is kind or (kind is float and type(value) is int)
    if value is not None and not fits:
        raise BadFieldError(field, f"must be {_CALLED[kind]}, got {value!r}")
    if key == "weighting" and ":" in str(value):
        raise BadFieldError(field, "a function is named on the server's command line, not here")
    if key == "data" and value is not None:
        raise BadFieldError(field, "a path is named on the server's command line, not here")


_CALLED = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _kind(key: str) -> type:
    """The type of a key; what has no default is a number."""
    return type(Plan().config().get(key, 0.0))


def _task(request: StartRequest, asked: Asked, default: str) -> str:
    """The task that fits all that is said of it. The server's own may be any, others built in."""
    named: str | None = asked["task"][1] if "task" in asked else None
    field = asked["task"][0] if "task" in asked else "model_config.architecture"
    config = request.model_config
    if config.architecture is not None:
        meant = ARCHITECTURES.get(config.architecture, config.architecture)
        if named not in (None, meant):
            message = f"{config.architecture!r} is not what task {named!r} trains"
            raise BadFieldError("model_config.architecture", message)
        named = meant
    task = named or default
    allowed = sorted({*SHAPES, default})
    if task not in allowed:
        kinds = ", ".join(f"{kind} (task {name})" for kind, name in ARCHITECTURES.items())
        either = f", or {kinds}" if field == "model_config.architecture" else ""
        raise BadFieldError(field, f"must be one of {', '.join(allowed)}{either}, got {task!r}")
    _check_shape(config, task)
    return task


def _check_shape(config: ModelConfig, task: str) -> None:
    shapes, classes = SHAPES.get(task, ([], None))
    if config.input_shape is not None and config.input_shape not in shapes:
        known = f"task {task!r} takes {shapes[0]}" if shapes else f"task {task!r} does not tell its"
        raise BadFieldError("model_config.input_shape", f"{known}, got {config.input_shape}")
    if config.num_classes is not None and config.num_classes != classes:
        known = f"task {task!r} has {classes}" if classes else f"task {task!r} does not tell its"
        raise BadFieldError("model_config.num_classes", f"{known}, got {config.num_classes}")


def _named(error: UsageError, asked: Asked) -> BadFieldError:
    """The plan's complaint, which begins with a key, under the name that the request has for it."""
    text = str(error)
    key = text.split(" ", 1)[0]
    own = f"plan.{key}" if _is_key(key) else "plan"
    return BadFieldError(asked[key][0] if key in asked else own, text)


def _is_key(text: str) -> bool:
    return text in set(Plan.keys())
