import pytest

from fedsight.errors import UsageError
from fedsight.federated.plan import AlgorithmPlan, Plan, RoundPlan, SelectionPlan


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("nodes", 0, "whole number from 1"),
        ("nodes", -3, "whole number from 1"),
        ("rounds", 0, "whole number from 1"),
        ("epochs", 0, "whole number from 1"),
        ("batch_size", 0, "whole number from 1"),
        ("seed", -1, "whole number from 0"),
        ("fraction", 0.0, "above 0 and at most 1"),
        ("fraction", -0.5, "above 0 and at most 1"),
        ("fraction", 1.5, "above 0 and at most 1"),
        ("fraction", float("nan"), "above 0 and at most 1"),
        ("alpha", 0.0, "above 0"),
        ("alpha", 1e200, "at most 1e+06"),
        ("lr", 0.0, "above 0"),
        ("lr", float("inf"), "above 0"),
        ("momentum", 1.0, "at least 0 and below 1"),
        ("partition", "random", "iid, dirichlet, shards"),
        ("local", "both", "loop, cohort"),
        ("engine", "cloud", "simulation, deployment"),
        ("algorithm", "fedsgd", "fedavg, fedprox, fedavgm, fedadam, fedyogi, fedadagrad, scaffold"),
        ("server_lr", 0.0, "above 0"),
        ("mu", -1.0, "at least 0"),
        ("weighting", "loss", "samples, uniform, or package.module:function"),
        ("selection", "best", "random, performance, resources, named, utility"),
        ("explore", 1.5, "at least 0 and at most 1"),
        ("where", "gpu", "key=value"),
        ("fair_rounds", -1, "whole number from 0"),
        ("min_clients", 0, "whole number from 1"),
        ("timeout_seconds", 0.0, "above 0"),
        ("quorum", True, "whole number from 0"),
        ("late", "keep", "count, use, drop"),
        ("mode", "semi", "sync, async"),
        ("convergence_threshold", 2.0, "at least 0 and at most 1"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_value_and_what_is_allowed(
    field: str, value: object, allowed: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Plan.of({field: value})
    message = str(refused.value)
    assert field in message
    assert str(value) in message
    assert allowed in message


def test_a_round_has_at_most_as_many_nodes_as_fit_one_record() -> None:
    assert Plan(nodes=100_000, fraction=0.18)
    with pytest.raises(UsageError, match="at most 18000 nodes may train in a round"):
        Plan(nodes=18_001)


def test_a_plan_survives_a_flower_run_configuration() -> None:
    algorithm = AlgorithmPlan("fedprox", mu=0.3, server_lr=0.5)
    plan = Plan(task="digits", nodes=3, alpha=0.1, seed=9, algorithm=algorithm)
    assert Plan.of(plan.config() | {"someone-elses": 1}) == plan


def test_every_field_of_every_part_has_a_flat_key_of_its_own() -> None:
    flat = set(Plan(closing=RoundPlan(timeout_seconds=1.0)).config())
    assert flat == set(Plan.keys()) - {"server_lr"}
    assert len(Plan.keys()) == len(set(Plan.keys()))


def test_a_selection_by_name_needs_names() -> None:
    assert SelectionPlan("named", only="client-1")
    with pytest.raises(UsageError, match="needs one of only, tags, where"):
        SelectionPlan("named")


def test_an_asynchronous_run_has_no_quorum() -> None:
    with pytest.raises(UsageError, match="no quorum"):
        RoundPlan(mode="async", quorum=3)
