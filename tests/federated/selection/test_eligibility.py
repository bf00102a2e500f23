from dataclasses import replace
from typing import Any

import pytest

from fedsight.federated.plan import SelectionPlan
from fedsight.federated.selection import eligible, selector
from tests.federated.selection.made import fleet, node


def left(nodes: list[Any], **plan: Any) -> tuple[list[str], dict[int, str]]:
    able, reasons = eligible(SelectionPlan(**plan), nodes)
    return [one.name for one in able], reasons


def test_a_node_that_is_not_there_may_not_be_chosen() -> None:
    gone = replace(fleet(1)[0], online=False)
    silent = replace(node(1), online=False, last_seen_seconds=12.3)
    assert left([gone, silent, node(2)]) == (
        ["client-2"],
        {1000: "not there", 1001: "not there: last seen 12 s ago"},
    )


@pytest.mark.parametrize(
    ("floor", "told"),
    [("min_cpu", "cpu_count"), ("min_memory_gb", "memory_gb"), ("min_bandwidth_mbps",) * 2],
)
def test_floors_by_property(floor: str, told: str) -> None:
    told = told.removeprefix("min_")
    nodes = [node(0, **{told: 4}), node(1, **{told: 3.5}), node(2), node(3, **{told: 8.0})]
    names, reasons = left(nodes, selection="resources", **{floor: 4.0})
    assert names == ["client-0", "client-3"]
    assert reasons == {
        1001: f"below {floor} 4: has 3.5",
        1002: f"below {floor} 4: did not tell {told}",
    }


@pytest.mark.parametrize("value", ["16", True, float("nan"), float("inf")])
def test_what_is_no_number_does_not_reach_a_floor(value: object) -> None:
    _, reasons = left([node(0, memory_gb=value)], min_memory_gb=0.5)
    assert reasons == {1000: "below min_memory_gb 0.5: did not tell memory_gb"}


def test_by_name_and_by_id() -> None:
    plan = SelectionPlan(selection="named", only="client-2, 1000, client-9")
    able, reasons = eligible(plan, fleet(3))
    assert [one.node_id for one in able] == [1000, 1002]
    assert reasons == {1001: "not in only"}
    assert selector(plan, 1.0, 0).choose(1, fleet(3)).absent == ("client-9",)


def test_every_tag_must_be_there() -> None:
    nodes = [replace(node(0), tags=("gpu", "eu")), replace(node(1), tags=("gpu",))]
    names, reasons = left(nodes, selection="named", tags="eu,gpu")
    assert (names, reasons) == (["client-0"], {1001: "lacks tag eu"})


@pytest.mark.parametrize(
    ("has", "wanted", "passes"),
    [
        ("eu", "eu", True),
        ("EU", "eu", False),
        (4, "4", True),
        (4, "4.0", True),
        (4.5, "4.5", True),
        (4, "four", False),
        (True, "true", True),
        (True, "1", False),
        ("a=b", "a=b", True),
    ],
)
def test_properties_by_value(has: object, wanted: str, passes: bool) -> None:
    names, reasons = left([node(0, key=has)], selection="named", where=f"key={wanted}")
    assert bool(names) == passes
    assert passes or reasons == {1000: f"not key={wanted}: {has}"}


def test_a_property_that_was_not_told_and_one_that_is_long() -> None:
    _, reasons = left([node(0), node(1, zone="x" * 1000)], where="zone = eu")
    assert reasons == {1000: "not zone=eu: did not tell", 1001: f"not zone=eu: {'x' * 40}"}


@pytest.mark.parametrize("rule", ["random", "performance", "resources", "utility"])
def test_conditions_hold_under_every_rule(rule: str) -> None:
    plan = SelectionPlan(selection=rule, min_cpu=2, only="client-0,client-1")
    nodes = [node(0, cpu_count=1), node(1, cpu_count=2), node(2, cpu_count=4)]
    choice = selector(plan, 1.0, 0).choose(1, nodes)
    assert choice.nodes == (1001,)
    assert choice.reasons == {
        1001: "all",
        1000: "below min_cpu 2: has 1",
        1002: "not in only",
    }
