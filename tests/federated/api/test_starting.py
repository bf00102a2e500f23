"""What `POST /start` becomes, and what is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fedsight.door.refusal import BadFieldError
from fedsight.federated.api.runs import Order
from fedsight.federated.api.starting import ARCHITECTURES, SHAPES, StartRequest, ordered
from fedsight.federated.plan import AlgorithmPlan, Plan, RoundPlan
from fedsight.tasks import load
from fedsight.tasks.task import BUILT_IN
from tests.federated.api.asked import Asked

DEFAULTS = Order(Plan(task="digits", nodes=4, rounds=7, lr=0.5), 3)

#: The example of the HTTP API's contract, but for what is not built yet.
WHOLE: dict[str, Any] = {
    "training_config": {
        "algorithm": "fedavg",
        "min_clients": 2,
        "max_rounds": 50,
        "client_fraction": 0.8,
        "local_epochs": 5,
        "learning_rate": 0.01,
        "batch_size": 32,
        "convergence_threshold": 0.01,
        "timeout_seconds": 300,
    },
    "model_config": {
        "architecture": "cnn",
        "input_shape": [28, 28, 1],
        "num_classes": 10,
        "compression": False,
        "versioning": True,
    },
    "privacy_config": {
        "differential_privacy": False,
        "epsilon": 1.0,
        "delta": 1e-5,
        "secure_aggregation": False,
        "gradient_clipping": False,
        "max_grad_norm": 1.0,
    },
    "network_config": {
        "sdn_integration": False,
        "traffic_prioritization": False,
        "bandwidth_allocation": None,
        "qos_enabled": False,
    },
}


def order(body: dict[str, Any], defaults: Order = DEFAULTS) -> Order:
    return ordered(msgspec.convert(body, StartRequest), defaults)


def test_nothing_said_is_as_the_server_was_told() -> None:
    assert order({}) == DEFAULTS


def test_every_setting_finds_its_place_in_the_plan() -> None:
    found = order(WHOLE)
    assert found.keep == 3
    assert found.plan == Plan(
        task="mnist",
        nodes=4,
        rounds=50,
        fraction=0.8,
        epochs=5,
        lr=0.01,
        batch_size=32,
        algorithm=AlgorithmPlan(algorithm="fedavg"),
        closing=RoundPlan(min_clients=2, convergence_threshold=0.01, timeout_seconds=300),
    )


def test_any_key_of_a_plan_may_be_said() -> None:
    plan = order({"plan": {"algorithm": "fedprox", "mu": 1, "seed": 5, "server_lr": None}}).plan
    assert (plan.algorithm.algorithm, plan.algorithm.mu, plan.seed) == ("fedprox", 1, 5)


def test_without_versioning_no_model_is_kept() -> None:
    assert order({"model_config": {"versioning": False}}).keep == 0


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("privacy_config", "differential_privacy", True),
        ("privacy_config", "secure_aggregation", True),
        ("privacy_config", "gradient_clipping", True),
        ("network_config", "sdn_integration", True),
        ("network_config", "traffic_prioritization", True),
        ("network_config", "qos_enabled", True),
        ("network_config", "bandwidth_allocation", "adaptive"),
        ("model_config", "compression", True),
    ],
)
def test_what_is_not_built_yet_is_refused_by_name(
    fl: Asked, section: str, name: str, value: object
) -> None:
    refused = fl.error("/start", {section: {name: value}}, 422)
    assert refused["field"] == f"{section}.{name}"
    assert "not built yet" in refused["message"]
    assert fl.get("/status")["status"] == "idle"


def test_all_that_is_not_built_is_named_at_once(fl: Asked) -> None:
    wanted = {"privacy_config": {"differential_privacy": True, "secure_aggregation": True}}
    message = fl.error("/start", wanted, 422)["message"]
    assert "privacy_config.differential_privacy: is not built yet" in message
    assert "nor privacy_config.secure_aggregation" in message


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"training_cfg": {}}, "training_cfg", "unknown field"),
        ({"training_config": {"algoritm": "x"}}, "training_config.algoritm", "unknown field"),
        ({"training_config": {"max_rounds": "5"}}, "training_config.max_rounds", "int"),
        ({"training_config": {"max_rounds": 0}}, "training_config.max_rounds", "got 0"),
        ({"training_config": {"client_fraction": 1.5}}, "training_config.client_fraction", "1.5"),
        (
            {"training_config": {"algorithm": "fedaverage"}},
            "training_config.algorithm",
            "fedavg, fedprox",
        ),
        ({"training_config": {"timeout_seconds": -1}}, "training_config.timeout_seconds", "-1"),
        ({"training_config": {"min_clients": 9}}, "training_config.min_clients", "of 4 nodes"),
        ({"training_config": {"task": "cifar"}}, "training_config.task", "digits, mnist"),
        ({"model_config": {"architecture": "rnn"}}, "model_config.architecture", "mlp"),
        ({"model_config": {"architecture": "os:system"}}, "model_config.architecture", "os:system"),
        ({"model_config": {"input_shape": [3]}}, "model_config.input_shape", "takes [8, 8, 1]"),
        ({"model_config": {"num_classes": 2}}, "model_config.num_classes", "has 10"),
        ({"plan": {"round": 3}}, "plan.round", "did you mean 'rounds'"),
        ({"plan": {"rounds": 3.5}}, "plan.rounds", "a whole number, got 3.5"),
        ({"plan": {"rounds": True}}, "plan.rounds", "a whole number, got True"),
        ({"plan": {"where": 5}}, "plan.where", "text, got 5"),
        ({"plan": {"selection": "named"}}, "plan.selection", "needs one of"),
        ({"plan": {"weighting": "os:system"}}, "plan.weighting", "not here"),
        ({"plan": {"engine": "deployment"}}, "plan.engine", "engine simulation"),
        ({"plan": {"task": "os:system"}}, "plan.task", "os:system"),
        (
            {"plan": {"rounds": 3}, "training_config": {"max_rounds": 4}},
            "plan.rounds",
            "training_config.max_rounds says it already",
        ),
        (
            {"training_config": {"task": "digits"}, "model_config": {"architecture": "cnn"}},
            "model_config.architecture",
            "not what task 'digits' trains",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(body: Any, field: str, says: str) -> None:
    from fedsight.door.refusal import bad_field

    with pytest.raises((BadFieldError, msgspec.ValidationError)) as refused:
        order(body)
    error = refused.value
    if isinstance(error, msgspec.ValidationError):
        error = bad_field(error)
    assert error.field == field
    assert says in str(error)


def test_the_servers_own_task_may_be_anybodys() -> None:
    own = Order(Plan(task="my.tasks:MINE", nodes=4), 3)
    assert order({"training_config": {"task": "my.tasks:MINE"}}, own).plan.task == "my.tasks:MINE"
    with pytest.raises(BadFieldError, match="does not tell its"):
        order({"model_config": {"num_classes": 2}}, own)


def test_shapes_are_those_of_the_built_in_tasks() -> None:
    shipped = set(BUILT_IN) - {"telemetry"}  # its data lies where the server was told
    assert set(SHAPES) == shipped
    assert set(ARCHITECTURES.values()) == shipped
    for name, (shapes, classes) in SHAPES.items():
        task = load(name)
        inputs, labels = task.tensors(task.held_out())  # type: ignore[attr-defined]
        assert all(inputs[0].numel() == _product(shape) for shape in shapes)
        assert len(set(labels.tolist())) == classes
        kinds = {type(one).__name__ for one in task.model(0).modules()}
        assert ("Conv2d" in kinds) == (ARCHITECTURES.get("cnn") == name)


def _product(shape: list[int]) -> int:
    found = 1
    for one in shape:
        found *= one
    return found
