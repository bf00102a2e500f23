"""A directory of power zones as the kernel's, whose counters a test moves."""

from __future__ import annotations

from pathlib import Path

RANGE = 262_143_328_850


class Tree:
    """`/sys/class/powercap` of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def zone(self, entry: str, name: str, microjoules: int, most: int = RANGE) -> None:
        """Add one zone."""
        made = self.folder / entry
        made.mkdir()
        (made / "name").write_text(name + "\n")
        (made / "max_energy_range_uj").write_text(f"{most}\n")
        self.set(entry, microjoules)

    def set(self, entry: str, microjoules: int) -> None:
        """Move its counter."""
        (self.folder / entry / "energy_uj").write_text(f"{microjoules}\n")


def two_sockets(folder: Path) -> Tree:
    """Two packages, each with cores and memory."""
    tree = Tree(folder)
    (folder / "intel-rapl").mkdir()  # the driver itself has no counter
    for number in (0, 1):
        tree.zone(f"intel-rapl:{number}", f"package-{number}", 1_000_000 * (number + 1))
        tree.zone(f"intel-rapl:{number}:0", "core", 500_000)
        tree.zone(f"intel-rapl:{number}:1", "dram", 200_000)
    tree.zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    return tree
