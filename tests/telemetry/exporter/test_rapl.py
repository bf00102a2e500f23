"""Energy from the kernel's zones: sums, going round, beginning anew, and what may not be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedsight.telemetry.exporter.power import HOST, Part, Power
from fedsight.telemetry.exporter.rapl import Rapl, RaplError, zones
from tests.telemetry.exporter.zones import RANGE, Tree, two_sockets


def by_part(found: list[Power]) -> dict[Part, tuple[float, float | None]]:
    return {each.part: (each.microjoules, each.microwatts) for each in found}


def test_zones_are_packages_and_their_domains_each_once(tmp_path: Path) -> None:
    found = [zone.part for zone in zones(two_sockets(tmp_path / "powercap").folder)]
    assert found == [
        Part(0),
        Part(1),
        Part(0, "core", 0),
        Part(0, "dram", 1),
        Part(1, "core", 0),
        Part(1, "dram", 1),
    ]


def test_the_host_is_its_sockets_and_their_memory(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path / "powercap")
    rapl = Rapl(tree.folder, now=100.0)
    tree.set("intel-rapl:0", 1_000_000 + 60_000_000)
    tree.set("intel-rapl:1", 2_000_000 + 30_000_000)
    tree.set("intel-rapl:0:0", 500_000 + 40_000_000)
    tree.set("intel-rapl:0:1", 200_000 + 6_000_000)
    found = by_part(rapl.look(103.0))
    assert found[Part(0)] == (61_000_000, 20_000_000.0)
    assert found[Part(1)] == (32_000_000, 10_000_000.0)
    assert found[Part(0, "dram", 1)] == (6_200_000, 2_000_000.0)
    assert found[HOST] == (61_000_000 + 32_000_000 + 6_400_000, 32_000_000.0)


def test_the_platforms_zone_is_the_host_where_there_is_one(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path / "powercap")
    tree.zone("intel-rapl:2", "psys", 7)
    rapl = Rapl(tree.folder, now=0.0)
    tree.set("intel-rapl:2", 7 + 90_000_000)
    assert by_part(rapl.look(3.0))[HOST] == (90_000_007, 30_000_000.0)


def test_a_counter_that_goes_round_goes_on(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", RANGE - 10_000_000)
    rapl = Rapl(tree.folder, now=0.0)
    tree.set("intel-rapl:0", 20_000_000)
    assert by_part(rapl.look(3.0))[Part(0)] == (RANGE + 20_000_000, 10_000_000.0)


def test_a_round_between_two_looks_is_not_missed(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 0)
    rapl = Rapl(tree.folder, now=0.0)
    for minute, value in enumerate((RANGE // 2, 10, RANGE // 2, 20), 1):
        tree.set("intel-rapl:0", value)
        rapl.keep_up(now=600.0 * minute)
    assert by_part(rapl.look(10_000.0))[Part(0)][0] == 2 * RANGE + 20


def test_a_counter_that_began_anew_gives_no_power(tmp_path: Path) -> None:
    """Taken for one that went round, it would be 50 kW here."""
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 100_000_000_000)
    rapl = Rapl(tree.folder, now=0.0)
    tree.set("intel-rapl:0", 5)
    assert by_part(rapl.look(3.0))[HOST] == (100_000_000_000, None)
    tree.set("intel-rapl:0", 5 + 30_000_000)
    assert by_part(rapl.look(6.0))[HOST] == (100_030_000_000, 10_000_000.0)


@pytest.mark.parametrize("last", [50_000_000_000, 250_000_000_000])
def test_a_counter_that_began_anew_within_a_minute_gives_no_power(
    tmp_path: Path, last: int
) -> None:
    """Taken for one that went round, it would be 3.5 kW here, and 200 W where 10 W were seen."""
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", last)
    rapl = Rapl(tree.folder, now=0.0)
    tree.set("intel-rapl:0", last + 600_000_000)
    assert by_part(rapl.look(60.0))[HOST] == (last + 600_000_000, 10_000_000.0)
    tree.set("intel-rapl:0", 5)
    assert by_part(rapl.look(120.0))[HOST] == (last + 600_000_000, None)
    tree.set("intel-rapl:0", 5 + 600_000_000)
    assert by_part(rapl.look(180.0))[HOST] == (last + 1_200_000_000, 10_000_000.0)


def test_a_counter_that_began_anew_between_looks_is_known_from_there(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 50_000_000_000)
    rapl = Rapl(tree.folder, now=0.0)
    tree.set("intel-rapl:0", 0)
    rapl.keep_up(now=60.0)
    tree.set("intel-rapl:0", 30_000_000)
    assert by_part(rapl.look(63.0))[HOST] == (50_030_000_000, 10_000_000.0)


def test_a_zone_that_goes_away_leaves_the_host_unknown(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path / "powercap")
    rapl = Rapl(tree.folder, now=0.0)
    (tree.folder / "intel-rapl:1" / "energy_uj").unlink()
    found = by_part(rapl.look(3.0))
    assert found[Part(1)][1] is None
    assert found[HOST][1] is None
    assert found[Part(0)][1] == 0.0


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_no_zones_are_told(tmp_path: Path, folder: str) -> None:
    with pytest.raises(RaplError, match="does not measure its power"):
        Rapl(tmp_path / folder, now=0.0)


def test_what_may_not_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 1)
    tmp_path.chmod(0o755)
    (tree.folder / "intel-rapl:0" / "energy_uj").chmod(0)
    with as_nobody(tmp_path), pytest.raises(RaplError, match=r"Permission denied.*exporter\.power"):
        Rapl(tree.folder, now=0.0)


@contextmanager
def as_nobody(beneath: Path) -> Iterator[None]:
    """Root may read everything: be somebody else, for whom the folders are open."""
    if os.geteuid() != 0:
        yield
        return
    opened = [each for each in beneath.parents if each.stat().st_mode & 0o005 != 0o005]
    modes = [each.stat().st_mode for each in opened]
    for each in opened:
        each.chmod(0o755)
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
        for each, mode in zip(opened, modes, strict=True):
            each.chmod(mode)
