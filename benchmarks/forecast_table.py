"""The tables of docs/forecasting.md, from the reports that are kept: `python -m
benchmarks.forecast_table`.

Between `<!-- NAME -->` and `<!-- end -->` the page is written by this; the rest of it by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from benchmarks.command import RESULTS
from benchmarks.forecast_bounds import LESS_MEDIAN, bounds
from benchmarks.forecast_nodes import CHOSEN, TELEMETRY, UNSEEN
from benchmarks.forecast_rows import (
    FEDERATED,
    LOCAL,
    MEDIAN,
    MIXTURE,
    PERSISTENCE,
    SERVED,
    TUNED,
)
from benchmarks.machine import ROOT
from benchmarks.table import number

PAGE = ROOT / "docs" / "forecasting.md"
#: Which report has which set of nodes.
REPORTS: Mapping[str, str] = {
    CHOSEN: "forecast",
    UNSEEN: "forecast",
    TELEMETRY: "forecast_telemetry",
}
#: Methods that are told node by node.
BY_NODE = (PERSISTENCE, MEDIAN, LOCAL, FEDERATED, TUNED, MIXTURE, SERVED)
ONE_UNIT = {CHOSEN}


def main() -> int:
    """Write the tables of every report that there is; returns the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    for which, report in REPORTS.items():
        path = RESULTS / f"{report}.json"
        if path.exists():
            read = msgspec.json.decode(path.read_bytes())
            page = placed(page, which, "\n".join(_of_set(read, which)))
            page = placed(page, f"{which}_targets", "\n".join(_targets(_bounds(read, which))))
    PAGE.write_text(page, encoding="utf-8")
    return 0


def placed(page: str, name: str, text: str) -> str:
    """`page` with `text` between the marks of `name`."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def _of_set(report: Mapping[str, Any], which: str) -> Iterator[str]:
    figures, scale = report["figures"][which], report["scale"]
    rows, origins = scale["rows"][which][0], scale["origins"][which][0]
    yield f"{scale['seeds']} seeds, the best of {scale['rounds']} rounds."
    yield f"The first node has {rows:,} rows, and {origins} origins in its test part.\n"
    yield "| MASE | 1 step | 10 | 100 | mean of 1 to 100 | sd over seeds | nodes, from to |"
    yield "|---|---|---|---|---|---|---|"
    best = min(each["mase"][-1] for each in figures["methods"].values())
    for name, each in figures["methods"].items():
        last = f"{each['mase'][-1]:.3f}"
        cells = [f"{value:.2f}" for value in each["mase"][:-1]]
        cells.append(f"**{last}**" if each["mase"][-1] == best else last)
        cells.append("" if each["sd_over_seeds"] is None else f"{each['sd_over_seeds']:.3f}")
        cells.append(" to ".join(f"{value:.2f}" for value in each["nodes_from_to"]))
        yield f"| {name} | {' | '.join(cells)} |"
    if which in ONE_UNIT:
        yield from _in_units(figures["methods"])
    yield from _by_node(figures["nodes"])
    yield from _intervals(figures["methods"])
    yield ""
    for what, name in LESS_MEDIAN.items():
        gap = figures[name]
        yield (
            f"- {what[0].upper()}{what[1:]}, less the moving median: {gap['mean']:+.3f} MASE, 95 % "
            f"from {gap['low']:+.3f} to {gap['high']:+.3f} (bootstrap over blocks of 100 origins)."
        )


def _in_units(methods: Mapping[str, Any]) -> Iterator[str]:
    yield "\n| in % of a processor | MAE 1 | 10 | 100 | mean | RMSE 1 | 10 | 100 | mean |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, each in methods.items():
        cells = " | ".join(f"{value:.3g}" for value in (*each["mae"], *each["rmse"]))
        yield f"| {name} | {cells} |"


def _by_node(nodes: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n| MAE (RMSE), mean of 1 to 100 | {' | '.join(BY_NODE)} |"
    yield "|---|" + "---|" * len(BY_NODE)
    for node, methods in nodes.items():
        cells = (f"{number(methods[name][1])} ({number(methods[name][2])})" for name in BY_NODE)
        yield f"| {node} | {' | '.join(cells)} |"


def _intervals(methods: Mapping[str, Any]) -> Iterator[str]:
    yield "\n| intervals of 80 % held | as the model says | nodes | corrected | nodes |"
    yield "|---|---|---|---|---|"
    for name, each in methods.items():
        if "coverage_corrected" in each:
            cells = []
            for which in ("coverage", "coverage_corrected"):
                if which in each:
                    mean, low, high = each[which]
                    cells += [f"{mean:.2f}", f"{low:.2f} to {high:.2f}"]
                else:
                    cells += ["", ""]
            yield f"| {name} | {' | '.join(cells)} |"


def _bounds(report: Mapping[str, Any], which: str) -> list[Mapping[str, Any]]:
    """The set's own: those of a second set are not among the targets of every report, and follow
    from its figures."""
    if which == UNSEEN:
        return [asdict(each) for each in bounds(report["figures"][which])]
    return [each for each in report["targets"] if not each["what"].startswith(f"{UNSEEN}: ")]


def _targets(targets: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield "| bound | value | bound | met |"
    yield "|---|---|---|---|"
    for each in targets:
        met = "yes" if each["met"] else "**no**"
        yield f"| {each['what']} | {number(each['value'])} | {number(each['bound'])} | {met} |"


if __name__ == "__main__":
    sys.exit(main())
