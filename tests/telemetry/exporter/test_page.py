"""The page: Scaphandre's names, units and rule of refreshing, and where power comes from."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fedsight.errors import SettingsError
from fedsight.telemetry.exporter.load_model import LoadModel, Watts
from fedsight.telemetry.exporter.options import ExporterOptions
from fedsight.telemetry.exporter.page import Page
from fedsight.telemetry.exporter.power import HOST, Power
from fedsight.telemetry.exporter.rapl import RaplError
from tests.telemetry.exporter.zones import two_sockets


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Processors with as much work as a test gives them."""

    def __init__(self) -> None:
        self.total = self.idle = 0.0

    def times(self) -> tuple[float, float]:
        return self.total, self.idle

    def spend(self, busy: float, idle: float) -> None:
        self.total += busy + idle
        self.idle += idle


def options(tmp_path: Path) -> ExporterOptions:
    return ExporterOptions(powercap=tmp_path / "powercap")


def values(page: str) -> dict[str, str]:
    """Each line's value by its name and labels."""
    lines = (line for line in page.splitlines() if not line.startswith("#"))
    return dict(line.rsplit(" ", 1) for line in lines)


def test_rapl_has_scaphandres_names_labels_and_units(tmp_path: Path) -> None:
    tree, clock = two_sockets(tmp_path / "powercap"), Clock()
    page = Page(options(tmp_path), clock)
    tree.set("intel-rapl:0", 1_000_000 + 60_000_000)
    clock.now += 3
    found = values(page.text())
    assert found['scaph_host_power_microwatts{value_source="rapl"}'] == "20000000"
    assert found['scaph_socket_power_microwatts{socket_id="0",value_source="rapl"}'] == "20000000"
    assert found['scaph_socket_energy_microjoules{socket_id="0",value_source="rapl"}'] == "61000000"
    dram = '{domain_name="dram",domain_id="1",socket_id="1",value_source="rapl"}'
    assert found[f"scaph_domain_energy_microjoules{dram}"] == "200000"
    assert found[f"scaph_domain_power_microwatts{dram}"] == "0"


def test_counters_keep_their_names(tmp_path: Path) -> None:
    """Libraries append `_total` to counters; Scaphandre does not."""
    two_sockets(tmp_path / "powercap")
    text = Page(options(tmp_path)).text()
    assert "# TYPE scaph_host_energy_microjoules counter\n" in text
    assert "# TYPE scaph_host_load_avg_one gauge\n" in text
    assert "_total{" not in text


def test_host_figures_are_this_machines(tmp_path: Path) -> None:
    found = values(Page(options(tmp_path)).text())
    for name in ("load_avg_one", "load_avg_five", "load_avg_fifteen", "memory_free_bytes"):
        assert float(found[f"scaph_host_{name}"]) >= 0
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert float(found["scaph_host_memory_total_bytes"]) == total
    assert float(found["scaph_host_memory_available_bytes"]) < total


def test_figures_are_looked_at_again_after_two_seconds(tmp_path: Path) -> None:
    clock = Clock()
    tree = two_sockets(tmp_path / "powercap")
    page = Page(options(tmp_path), clock)
    clock.now += 3
    first = page.text()
    tree.set("intel-rapl:0", 31_000_000)
    clock.now += 2
    assert page.text() == first
    clock.now += 0.5
    assert page.text() != first


def test_one_who_asks_every_second_sees_new_figures(tmp_path: Path) -> None:
    clock = Clock()
    tree = two_sockets(tmp_path / "powercap")
    page = Page(options(tmp_path), clock)
    seen = set()
    for second in range(9):
        clock.now += 1
        tree.set("intel-rapl:0", 1_000_000 * (2 + second))
        seen.add(values(page.text())['scaph_host_energy_microjoules{value_source="rapl"}'])
    assert len(seen) == 3


def test_without_rapl_power_is_modelled_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with caplog.at_level(logging.WARNING):
        page = Page(options(tmp_path), clock)
    assert "power is modelled" in caplog.text
    clock.now += 3
    found = values(page.text())
    power = [key for key in found if "power" in key or "energy" in key]
    assert power
    assert all('value_source="model_cpu_load"' in key for key in power)
    assert not [key for key in found if "socket" in key or "domain" in key]


def test_counters_that_cannot_be_read_are_told_and_power_is_modelled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = two_sockets(tmp_path / "powercap")
    counter = tree.folder / "intel-rapl:1" / "energy_uj"
    counter.unlink()
    counter.mkdir()
    with caplog.at_level(logging.WARNING):
        page = Page(options(tmp_path))
    assert page.value_source == "model_cpu_load"
    assert "cannot be read" in caplog.text
    assert "run the exporter as root" in caplog.text
    with pytest.raises(RaplError, match="cannot be read"):
        Page(replace(options(tmp_path), power="rapl"))


def test_the_model_is_a_line_from_idle_to_full_load() -> None:
    work = Work()
    model = LoadModel(Watts(idle=20, full=100), 0.0, work)
    assert model.look(0.1) == [Power(HOST, 0.0, None)]
    work.spend(busy=3, idle=9)
    assert model.look(3.0) == [Power(HOST, 120e6, 40e6)]
    work.spend(busy=0, idle=12)
    assert model.look(6.0) == [Power(HOST, 180e6, 20e6)]


def test_power_may_be_left_out(tmp_path: Path) -> None:
    found = values(Page(replace(options(tmp_path), power="none")).text())
    assert not [key for key in found if "power" in key or "energy" in key]


def test_rapl_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RaplError, match="does not measure"):
        Page(replace(options(tmp_path), power="rapl"))


def test_the_model_needs_room_between_idle_and_full_load() -> None:
    with pytest.raises(SettingsError, match=r"above exporter\.idle_watts, got 10 and 10"):
        ExporterOptions(idle_watts=10, tdp_watts=10)


def test_processes_are_off_and_then_without_names(tmp_path: Path) -> None:
    clock = Clock()
    quiet = Page(options(tmp_path), clock)
    busy = Page(replace(options(tmp_path), processes=3), clock)
    named = Page(replace(options(tmp_path), processes=3, process_names=True), clock)
    clock.now += 3
    assert "scaph_process" not in quiet.text()
    found = [key for key in values(busy.text()) if key.startswith("scaph_process_cpu_usage")]
    assert 1 <= len(found) <= 3
    assert all(re.fullmatch(r'.*\{pid="\d+"\}', key) for key in found)
    assert 'exe="' in named.text()
