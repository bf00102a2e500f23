import pytest

from fedsight.errors import UsageError
from fedsight.federated.plan import Plan


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
    ],
)
def test_a_bad_value_is_refused_with_its_name_value_and_what_is_allowed(
    field: str, value: object, allowed: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Plan(**{field: value})  # type: ignore[arg-type]
    message = str(refused.value)
    assert field in message
    assert str(value) in message
    assert allowed in message


def test_a_round_has_at_most_as_many_nodes_as_fit_one_record() -> None:
    assert Plan(nodes=100_000, fraction=0.2)
    with pytest.raises(UsageError, match="at most 20000 nodes may train in a round"):
        Plan(nodes=20_001)


def test_a_plan_survives_a_flower_run_configuration() -> None:
    plan = Plan(task="digits", nodes=3, alpha=0.1, seed=9)
    assert Plan.of(plan.config() | {"someone-elses": 1}) == plan
