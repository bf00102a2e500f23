from __future__ import annotations

import json

import pytest

from benchmarks import table
from benchmarks.machine import Machine, commit, cpu_model, this_machine
from benchmarks.measuring import Spread
from benchmarks.report import Report, Target, at_least, at_most, holds, significant

MACHINE = Machine("A CPU", 2, 8 * 2**30, (0.5, 0.4, 0.3), "3.11.7", "2.13.0", "1.41.0")


def report(*targets: Target, quick: bool = False) -> Report:
    """A report with one spread and one figure that is not known."""
    spread = Spread(1.25, (1.0, 1.5), (0.5, 2.0), 5)
    figures = {"ratio": spread, "missing": float("nan"), "nested": {"some_name": [1, 2.5]}}
    return Report("toy", "abc123", MACHINE, {"quick": quick, "rounds": 3}, figures, list(targets))


@pytest.mark.parametrize(("value", "met"), [(1.05, True), (1.0501, False)])
def test_a_bound_itself_is_still_met_and_nothing_above_it(value: float, met: bool) -> None:
    assert at_most("time", value, 1.05) == Target("time, at most", value, 1.05, met)


@pytest.mark.parametrize(("value", "met"), [(0.97, True), (0.9699, False)])
def test_a_lower_bound_is_met_from_itself_upwards(value: float, met: bool) -> None:
    assert at_least("accuracy", value, 0.97) == Target("accuracy, at least", value, 0.97, met)


def test_a_target_that_is_not_a_number_is_missed() -> None:
    assert not at_most("time", float("nan"), 1.0).met
    assert not at_least("time", float("nan"), 1.0).met


def test_a_report_is_one_json_object_of_the_promised_shape() -> None:
    printed = json.loads(report(holds("same bits", True)).json())
    assert list(printed) == ["name", "commit", "machine", "scale", "figures", "targets"]
    assert printed["targets"] == [{"what": "same bits", "value": True, "bound": True, "met": True}]
    assert printed["figures"]["ratio"]["quartiles"] == [1.0, 1.5]


def test_a_figure_that_is_not_finite_is_null() -> None:
    assert json.loads(report().json())["figures"]["missing"] is None


def test_a_printed_report_reads_back_the_same() -> None:
    printed = report(at_most("time", 1.5, 1.0)).json()
    assert Report.read(printed).json() == printed


def test_a_report_is_met_only_where_every_target_is() -> None:
    assert report(holds("a", True)).met
    assert not report(holds("a", True), holds("b", False)).met


def test_numbers_keep_five_significant_digits() -> None:
    assert significant(1234567.0) == 1234600.0
    assert significant(0.000123456789) == 0.00012346


def test_the_page_says_missed_targets_unknown_figures_and_a_smaller_scale() -> None:
    page = table.markdown([report(at_most("time", 1.5, 1.0), quick=True)])
    assert "| time, at most | 1.5 | 1 | **no** |" in page
    assert "| ratio | 1.25 [1 to 1.5], 5 times |" in page
    assert "| missing | unknown |" in page
    assert "| nested some name | 1, 2.5 |" in page
    assert "Quick, smaller than the targets ask for: rounds 3" in page


def test_the_machine_is_described_and_not_named() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory_bytes > 0
    assert len(machine.load_average) == 3


def test_the_cpu_is_read_from_the_kernels_own_words() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n") == "A CPU @ 2 GHz"
    assert cpu_model("processor\t: 0\n") is None


def test_the_commit_is_a_hash_that_says_when_source_differs() -> None:
    found = commit()
    assert found is None or len(found.removesuffix("+changes")) == 12
