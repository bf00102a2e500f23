"""`fedsight windows`: the sliding windows of nodes' telemetry, and a consumer that checks them."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fedsight.cli.options import UNKNOWN, Config, duration
from fedsight.config import load
from fedsight.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from fedsight.telemetry.windows import Figures, Gap, LocalWindows, Windows
    from fedsight.telemetry.windows.dataclay_windows import DataClayWindows

NOTHING = (
    "no window has rows yet; `fedsight serve bridge` fills them with what `fedsight serve agent`"
    " sends from `fedsight serve exporter`"
)
#: Width of a table that no terminal limits.
WIDE = 200
#: Gaps that `show` names one by one.
MOST_GAPS = 5

app = typer.Typer(no_args_is_help=True, help="List, show and follow windows of telemetry.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Node = Annotated[str, typer.Argument(help="A node's name.", metavar="NODE")]


@app.command("list", epilog="Example: fedsight windows list")
def list_windows(as_json: AsJson = False, config: Config = None) -> None:
    """List the nodes that have a window."""
    with _opened(config) as windows:
        found = {node: windows.figures(node) for node in windows.nodes()}
    held = {node: figures for node, figures in found.items() if figures is not None}
    if as_json:
        _print_json([{"node": node, **_told(figures)} for node, figures in held.items()])
        return
    if not held:
        print(NOTHING)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("node", "rows", "from", "to", "came last", "not taken"):
        table.add_column(title, no_wrap=True, justify="right" if title == "rows" else "left")
    for node, each in held.items():
        ends = _short(each.first), _short(each.last)
        table.add_row(node, f"{each.rows:,}", *ends, _ago(each.written), _not_taken(each))
    Console(width=None if sys.stdout.isatty() else WIDE, markup=False).print(table)


@app.command(epilog="Example: fedsight windows show edge-1")
def show(node: Node, as_json: AsJson = False, config: Config = None) -> None:
    """Show one node's window: its columns and its gaps."""
    from fedsight.telemetry.windows import gaps

    with _opened(config) as windows:
        figures = windows.figures(node)
        if figures is None:
            raise UsageError(_no_window(windows, node))
        df, interval_ns = windows.window(node).get_dataframe(), windows.interval_ns
    missing = gaps(df, interval_ns)
    columns = [_column(df, name) for name in df.columns]
    if as_json:
        told = {"node": node, **_told(figures), "gaps": [gap._asdict() for gap in missing]}
        _print_json({**told, "interval_ns": interval_ns, "columns": columns})
        return
    print(f"{'node':<10}{node}")
    print(f"{'rows':<10}{figures.rows:,}, one in {interval_ns / 1e9:g} s")
    print(f"{'from':<10}{_short(figures.first)}")
    print(f"{'to':<10}{_short(figures.last)}")
    print(f"{'came last':<10}{_ago(figures.written)}")
    print(f"{'not taken':<10}{_not_taken(figures)}")
    print(f"{'gaps':<10}{_gaps(missing)}")
    print()
    _print_columns(columns)


@app.command(epilog="Example: fedsight windows follow edge-1 --seconds 60")
def follow(
    node: Annotated[
        str | None,
        typer.Argument(help="A node's name.", metavar="[NODE]", show_default="all nodes"),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, max=31_536_000, help="End after so long.", show_default="on Ctrl-C"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    config: Config = None,
) -> None:
    """Follow windows: print what comes, and check it.

    Rows must be ascending, each time once, on their slots and finite, and stay what they were; gaps
    are named. Exit code 1 where something was wrong.
    """
    from fedsight.cli.following import Following, in_words, line

    with _opened(config) as windows:
        following = Following(windows, node, line if as_json else in_words)
        following.run(seconds, f"{NOTHING}; waiting")
    if following.wrong:
        raise typer.Exit(1)


def _opened(config: Config) -> LocalWindows | DataClayWindows:
    if find_spec("pandas") is None:
        raise MissingExtraError("pandas", "telemetry")
    from fedsight.telemetry.windows.opening import opened

    settings = load(config)
    return opened(settings.windows, settings.windows_folder)


def _no_window(windows: Windows, node: str) -> str:
    there = windows.nodes()
    if not there:
        return f"node {node} has no window: {NOTHING}"
    shown = ", ".join(there[:10]) + (", …" if len(there) > 10 else "")
    return f"node {node} has no window; there are those of {shown}"


def _column(df: pd.DataFrame, name: Any) -> dict[str, object]:
    values = df[name].dropna()
    return {
        "column": str(name),
        "values": len(values),
        "last": float(values.iloc[-1]),
        "last_time": int(values.index[-1]),
        "min": float(values.min()),
        "mean": float(values.mean()),
        "max": float(values.max()),
    }


def _print_columns(columns: list[dict[str, object]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("column", "values", "last", "min", "mean", "max"):
        table.add_column(title, justify="left" if title == "column" else "right", overflow="fold")
    for each in columns:
        figures = (f"{each[key]:.6g}" for key in ("last", "min", "mean", "max"))
        table.add_row(str(each["column"]), str(each["values"]), *figures)
    Console(width=None if sys.stdout.isatty() else WIDE, markup=False).print(table)


def _gaps(missing: list[Gap]) -> str:
    if not missing:
        return "none"
    named = [f"{gap.missing} from {_short(gap.start)}" for gap in missing[-MOST_GAPS:]]
    slots = sum(gap.missing for gap in missing)
    more = ", the newest" if len(missing) > MOST_GAPS else ""
    return f"{slots:,} slots in {len(missing)} gaps{more}: {', '.join(named)}"


def _told(figures: Figures) -> dict[str, int]:
    return figures._asdict()


def _not_taken(figures: Figures) -> str:
    kinds = {"conflicting values": figures.conflicting, "late rows": figures.late}
    kinds["rows ahead"] = figures.ahead
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count) or "none"


def _ago(written: int) -> str:
    return f"{duration((time.time_ns() - written) / 1e9)} ago" if written else UNKNOWN


def _short(nanoseconds: int) -> str:
    from fedsight.door.times import rfc3339

    return f"{rfc3339(nanoseconds)[:19].replace('T', ' ')}Z"


def _print_json(found: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
