"""Pages of Prometheus and OpenMetrics: names as they are, kinds, what is left out, bounds."""

from __future__ import annotations

import pytest

from fedsight.telemetry.agent.exposition import Bounds, PageError, parsed
from fedsight.telemetry.agent.families import Distribution, Family, Number, Quantiles, Scraped

HISTOGRAM = """# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 2
wait_seconds_bucket{le="1"} 5
wait_seconds_bucket{le="+Inf"} 6
wait_seconds_sum 3.5
wait_seconds_count 6
"""


def of(text: str, *, open_metrics: bool = False, bounds: Bounds | None = None) -> Scraped:
    return parsed(text.encode(), open_metrics=open_metrics, bounds=bounds or Bounds())


def by_name(scraped: Scraped) -> dict[str, Family]:
    return {family.name: family for family in scraped.families}


def test_scaphandres_counters_keep_their_names() -> None:
    text = (
        "# HELP scaph_host_energy_microjoules Energy.\n"
        "# TYPE scaph_host_energy_microjoules counter\n"
        'scaph_host_energy_microjoules{value_source="rapl"} 123321152\n'
        "# TYPE scaph_host_load_avg_one gauge\n"
        "scaph_host_load_avg_one 0.25\n"
    )
    found = by_name(of(text))
    energy = found["scaph_host_energy_microjoules"]
    assert (energy.kind, energy.about) == ("counter", "Energy.")
    assert energy.points == (Number((("value_source", "rapl"),), 123321152.0),)
    assert found["scaph_host_load_avg_one"].kind == "gauge"


#: Of Scaphandre 1.0: one metric's lines are parted by others', only the first has its type.
SCAPHANDRE = """# HELP scaph_host_power_microwatts Power measurement on the whole host
# TYPE scaph_host_power_microwatts gauge
scaph_host_power_microwatts{value_source="powercap_rapl_pkg"} 12345678
# HELP scaph_socket_energy_microjoules Socket related energy measurement in microjoules.
# TYPE scaph_socket_energy_microjoules counter
scaph_socket_energy_microjoules{socket_id="0"} 500
# HELP scaph_socket_power_microwatts Power measurement relative to a CPU socket, in microwatts
# TYPE scaph_socket_power_microwatts gauge
scaph_socket_power_microwatts{socket_id="0"} 7
scaph_socket_energy_microjoules{socket_id="1"} 600
scaph_socket_power_microwatts{socket_id="1"} 8
scaph_socket_energy_microjoules{socket_id="1"} 601
"""


def test_a_page_of_scaphandre_itself() -> None:
    page = of(SCAPHANDRE)
    found = by_name(page)
    energy, power = found["scaph_socket_energy_microjoules"], found["scaph_socket_power_microwatts"]
    assert (energy.kind, power.kind) == ("counter", "gauge")
    assert energy.about.startswith("Socket related")
    assert [point.value for point in energy.points] == [500, 600]
    assert [point.value for point in power.points] == [7, 8]
    assert (page.points, page.left_out) == (5, 1), "of a series that is told twice the first counts"


def test_what_has_no_type_is_a_gauge() -> None:
    assert by_name(of("up 1\nrequests_total 5\n"))["requests_total"].kind == "gauge"


def test_open_metrics_says_when_a_counter_began_and_its_unit() -> None:
    text = (
        "# TYPE work_seconds counter\n"
        "# UNIT work_seconds seconds\n"
        'work_seconds_total{of="a"} 5 1700000000.25\n'
        'work_seconds_created{of="a"} 1600000000.5 1700000000.25\n'
        "# EOF\n"
    )
    (family,) = of(text, open_metrics=True).families
    assert (family.name, family.kind, family.unit) == ("work_seconds_total", "counter", "seconds")
    began, time = 1_600_000_000_500_000_000, 1_700_000_000_250_000_000
    assert family.points == (Number((("of", "a"),), 5.0, time=time, began=began),)


def test_a_time_in_the_text_is_milliseconds() -> None:
    (family,) = of("load 1 1700000000250\n").families
    assert family.points == (Number((), 1.0, time=1_700_000_000_250_000_000),)


def test_a_histogram_is_one_point_without_cumulation() -> None:
    (family,) = of(HISTOGRAM).families
    assert family.points == (Distribution((), (0.1, 1.0), (2, 3, 1), 3.5),)
    assert family.points[0].value == 6


def test_a_histogram_that_is_none_is_left_out() -> None:
    assert of(HISTOGRAM.replace('le="+Inf"} 6', 'le="+Inf"} 4')) == Scraped((), 1)
    assert of(HISTOGRAM.replace('wait_seconds_bucket{le="+Inf"} 6\n', "")) == Scraped((), 1)


def test_a_summary_leaves_quantiles_of_nothing_out() -> None:
    text = (
        "# TYPE wait_seconds summary\n"
        'wait_seconds{quantile="0.5"} 0.2\n'
        'wait_seconds{quantile="0.9"} NaN\n'
        "wait_seconds_sum 3.5\n"
        "wait_seconds_count 6\n"
    )
    (family,) = of(text).families
    assert family.points == (Quantiles((), ((0.5, 0.2),), 3.5, 6),)


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    found = of("a NaN\nb +Inf\nc 1\n")
    assert [family.name for family in found.families] == ["c"]
    assert (found.points, found.left_out) == (1, 2)


@pytest.mark.parametrize(
    "text",
    ["load 1", "load\n", "load one\n", 'load{a="1} 2\n', "<html>\n", "# TYPE a b c d\nx y z w\n"],
)
def test_what_is_no_page_is_refused(text: str) -> None:
    """The first is cut off: another digit may have followed."""
    with pytest.raises(PageError):
        of(text)


def test_an_open_metrics_page_without_its_end_is_refused() -> None:
    with pytest.raises(PageError, match="EOF"):
        of("# TYPE load gauge\nload 1\n", open_metrics=True)


def test_an_empty_page_has_nothing() -> None:
    assert of("") == Scraped((), 0)


def test_a_page_with_too_many_points_is_refused_whole() -> None:
    page = "".join(f'load{{of="{number}"}} 1\n' for number in range(11))
    with pytest.raises(PageError, match="more than 10 points"):
        of(page, bounds=Bounds(points=10))
