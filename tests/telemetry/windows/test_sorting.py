"""Points become rows of the right node, and what does not fit is counted and told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fedsight.telemetry.windows import BridgeConfiguration, Point, ResourceConfiguration, Rule
from fedsight.telemetry.windows.contract import MAX_COLUMNS
from fedsight.telemetry.windows.notices import QUIET_SECONDS, Notices
from fedsight.telemetry.windows.rules import scaphandre
from fedsight.telemetry.windows.sorting import Sorter
from tests.telemetry.windows.frames import LOAD, NAN, POWER, START, at, same
from tests.telemetry.windows.frames import rows as rows_of

EDGE = {"service.name": "scaphandre-metrics", "fedsight.node": "edge-1", "host.name": "h"}
SCOPE = "scraper"


def power(value: float, slot: float = 0, *, unit: str = "", **labels: str) -> Point:
    return Point("scaph_host_power_microwatts", at(slot)[0], value, labels, unit)


def load(value: float, slot: float = 0) -> Point:
    return Point("scaph_host_load_avg_one", at(slot)[0], value, {})


def anything(*metrics: str) -> Sorter:
    """A sorter that wants these metrics of whoever has a service's name."""
    rule = Rule("service.name", "exists")
    only = ResourceConfiguration("c", (rule,), metrics)
    return Sorter(BridgeConfiguration({"c": only}))


def test_points_of_one_scrape_are_one_row() -> None:
    sorter = Sorter(scaphandre())
    found = sorter.sort(EDGE, SCOPE, [power(1), load(2), power(3, 1), load(NAN, 1)])
    assert list(found) == ["edge-1"]
    wanted = rows_of(at(0, 1)).assign(**{POWER: [1.0, 3.0], LOAD: [2.0, NAN]})
    assert same(found["edge-1"], wanted)
    assert sorter.counted == {"taken": 3, "invalid": 1}


@pytest.mark.parametrize(
    ("resource", "node"),
    [
        (EDGE, "edge-1"),
        ({**EDGE, "fedsight.node": ""}, "h"),
        ({"service.name": "scaphandre-metrics", "host.name": "h2.example"}, "h2.example"),
    ],
)
def test_a_node_is_called_as_its_resource_says(resource: Mapping[str, str], node: str) -> None:
    assert list(Sorter(scaphandre()).sort(resource, SCOPE, [power(1)])) == [node]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".x", "x" * 200])
def test_a_node_with_a_path_in_its_name_gets_no_window(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sorter = Sorter(scaphandre())
    resource = {"service.name": "scaphandre-metrics", "fedsight.node": name}
    assert sorter.sort(resource, SCOPE, [power(1)]) == {}
    assert sorter.wanted(resource, SCOPE) == frozenset()
    assert sorter.counted["nameless"] == 1
    assert "no window for what names no node" in caplog.text


def test_what_no_rule_wants_is_counted_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    sorter = Sorter(scaphandre())
    assert sorter.sort({"host.name": "h"}, SCOPE, [power(1), power(2, 1)]) == {}
    other = [Point("up", START, 1.0, {}), power(1)]
    assert list(sorter.sort(EDGE, SCOPE, other)) == ["edge-1"]
    assert sorter.counted == {"unmatched": 3, "taken": 1}
    assert sorter.unmatched == {"scaph_host_power_microwatts": 2, "up": 1}
    assert len(caplog.messages) == 2
    assert sorter.wanted(EDGE, SCOPE) >= {"scaph_host_power_microwatts"}


def test_labels_tell_columns_apart_but_for_how_a_value_was_come_by() -> None:
    sorter = anything("scaph_host_power_microwatts")
    points = [power(1, value_source="rapl"), power(2, socket_id="1", z='a"b'), power(3, a="é")]
    columns = set(sorter.sort(EDGE, SCOPE, points)["edge-1"].columns)
    name = "c.scaph_host_power_microwatts"
    assert columns == {name, name + '{socket_id="1",z="a\\"b"}', name + '{a="é"}'}


def test_a_unit_that_changes_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    sorter = Sorter(scaphandre())
    points = [power(1, unit="uW"), power(2, 1, unit="W"), power(3, 2), power(4, 3, unit="uW")]
    df = sorter.sort(EDGE, SCOPE, points)["edge-1"]
    assert df[POWER].tolist() == [1, 3, 4]
    assert sorter.counted["unit"] == 1
    assert f"{POWER} came in uW and now in W" in caplog.text
    sorter.changed()
    assert len(sorter.sort(EDGE, SCOPE, [power(2, 1, unit="W")])["edge-1"]) == 1


def test_a_unit_that_is_said_late_is_the_one_that_stays() -> None:
    sorter = Sorter(scaphandre())
    points = [power(1), power(2, 1, unit="W"), power(3, 2, unit="uW"), power(4, 3)]
    assert sorter.sort(EDGE, SCOPE, points)["edge-1"][POWER].tolist() == [1, 2, 4]


def test_units_of_labels_that_change_are_not_remembered_for_ever() -> None:
    sorter = Sorter(scaphandre())
    for number in range(3 * MAX_COLUMNS):
        sorter.sort(EDGE, SCOPE, [power(1, number, unit="uW", pid=str(number)), load(1, number)])
    units = sorter.remembered_units("edge-1")
    assert len(units) == MAX_COLUMNS
    assert LOAD in units  # what goes on coming is not forgotten for what came once


def test_two_agents_are_told_and_a_restart_is_not(caplog: pytest.LogCaptureFixture) -> None:
    sorter = Sorter(scaphandre())
    for number, instance in enumerate(["first", "first", "second", "second", "third"]):
        sorter.sort({**EDGE, "service.instance.id": instance}, SCOPE, [power(1, number)])
    assert caplog.messages == []
    sorter.sort({**EDGE, "service.instance.id": "second"}, SCOPE, [power(1, 9)])
    assert "two agents send its scaphandre-metrics, third and second" in caplog.text
    assert sorter.counted["agents"] == 1


def test_what_is_no_number_at_a_time_is_counted() -> None:
    sorter = Sorter(scaphandre())
    name = "scaph_host_power_microwatts"
    wrong = [Point(name, 0, 1.0, {}), Point(name, 2**63, 1.0, {}), power(float("inf"))]
    assert sorter.sort(EDGE, SCOPE, wrong) == {}
    assert sorter.counted == {"invalid": 3}


def test_columns_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    sorter = anything("scaph_host_power_microwatts")
    points = [power(1, pid=str(number)) for number in range(MAX_COLUMNS + 5)]
    points.append(power(1, pid="x" * 600))
    assert sorter.sort(EDGE, SCOPE, points)["edge-1"].shape == (1, MAX_COLUMNS)
    assert sorter.counted["columns"] == 6
    assert "at most 256 columns" in caplog.text


def test_two_configurations_may_want_one_metric() -> None:
    both = scaphandre()
    rule = Rule("scope.name", "eq", SCOPE)
    both.set_res_config(ResourceConfiguration("again", (rule,), ("scaph_host_load_avg_one",)))
    df = Sorter(both).sort(EDGE, SCOPE, [load(2)])["edge-1"]
    assert set(df.columns) == {LOAD, "again.scaph_host_load_avg_one"}
    assert set(Sorter(both).sort(EDGE, "other", [load(2)])["edge-1"].columns) == {LOAD}


def test_a_notice_is_said_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    moment = 0.0
    notices = Notices(lambda: moment)
    assert notices.tell("a", "kind", "said %d", 1)
    assert not notices.tell("a", "kind", "said %d", 2)
    assert notices.tell("b", "kind", "said %d", 3)
    moment += QUIET_SECONDS
    assert notices.tell("a", "kind", "said %d", 4)
    assert caplog.messages == ["said 1", "said 3", "said 4"]
