"""`fedsight runs`: what was trained, read from the store, with or without a collector running."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fedsight.cli.comparing import side_by_side
from fedsight.cli.governed import ruled_by
from fedsight.cli.options import UNKNOWN, Config, duration, figure, size
from fedsight.cli.stored import full_id, stored
from fedsight.errors import UsageError

#: Columns of figures, the width of a table that no terminal limits, and of one of our runs' ids.
FIGURES = ("round", "accuracy", "seconds")
WIDE = 200
ID_WIDTH = 10

app = typer.Typer(no_args_is_help=True, help="List, show and compare runs.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[str, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")]


@app.command("list", epilog="Example: fedsight runs list --limit 5")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List runs, newest first."""
    from fedsight.collector.reading import queries

    with stored(config) as store:
        page = queries.runs(store, queries.RunFilter(limit=limit), queries.now_ns())
    if as_json:
        _print_json(page)
        return
    if not page.runs:
        print("no runs yet; `fedsight run` makes one")
        return
    titles = ("run", "task", "state", "round", "accuracy", "seconds", "started")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(
            title,
            no_wrap=True,
            justify="right" if title in FIGURES else "left",
            min_width=ID_WIDTH if title == "run" else None,
        )
    for run in page.runs:
        table.add_row(
            run.id,
            run.task or UNKNOWN,
            run.state,
            f"{run.round}/{run.rounds or '?'}",
            figure(run.accuracy),
            UNKNOWN if run.seconds is None else f"{run.seconds:.1f}",
            _short(run.started),
        )
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
    if page.total > len(page.runs):
        print(f"{page.total - len(page.runs)} more; say --limit")


@app.command(epilog="Example: fedsight runs show r-3fa9c01b")
def show(run: Run, as_json: AsJson = False, config: Config = None) -> None:
    """Show one run."""
    from fedsight.collector.reading import queries
    from fedsight.collector.reading.governed import governed

    with stored(config) as store:
        found = queries.run(store, full_id(store, run), queries.now_ns())
        assert found is not None
        policy = governed(store, found.id)
    if as_json:
        _print_json({**msgspec.to_builtins(found), "policy": policy, "epsilon": None})
        return
    settings = " ".join(f"{key}={value}" for key, value in found.config.items() if value != "")
    lines = {
        "run": found.id,
        "state": found.state + (f" ({found.reason})" if found.reason else ""),
        "task": found.task or UNKNOWN,
        "engine": found.engine or UNKNOWN,
        "strategy": found.strategy or UNKNOWN,
        "round": f"{found.round} of {found.rounds or UNKNOWN}",
        "nodes": str(len(found.nodes)) if found.nodes else UNKNOWN,
        "accuracy": f"{figure(found.accuracy)} (best {figure(found.best_accuracy)})",
        "loss": figure(found.loss),
        "took": duration(found.seconds),
        "payload": f"{size(found.payload_up_bytes)} up, {size(found.payload_down_bytes)} down",
        "failures": str(found.failures),
        "started": found.started or UNKNOWN,
        "policy": ruled_by(policy),
        "privacy": "epsilon unknown: fedsight adds no differential privacy",
        "settings": settings or UNKNOWN,
    }
    for name, value in lines.items():
        print(_broken(f"{name:<10}{value}") if sys.stdout.isatty() else f"{name:<10}{value}")


def _broken(line: str) -> str:
    """A line between words, as wide as the terminal."""
    return textwrap.fill(
        line,
        shutil.get_terminal_size().columns,
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


@app.command(epilog="Example: fedsight runs compare r-3fa9c01b r-77aa0102 r-90be11cd")
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(help="Two runs or more: ids, or their beginnings.", metavar="RUN..."),
    ],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Put runs side by side: their figures, and the settings in which they differ."""
    from fedsight.collector.reading import queries
    from fedsight.collector.reading.compare import compared

    with stored(config) as store:
        ids = list(dict.fromkeys(full_id(store, run) for run in runs))
        if len(ids) < 2:
            raise UsageError("name two runs or more to compare")
        found = [queries.run(store, each, queries.now_ns()) for each in ids]
    comparison = compared([run for run in found if run is not None])
    if as_json:
        _print_json(comparison)
        return
    for line in side_by_side(comparison):
        print(line)


def _short(time: str | None) -> str:
    """An RFC 3339 time to the second."""
    return UNKNOWN if time is None else f"{time[:19].replace('T', ' ')}Z"


def _pretty(found: object) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _print_json(found: object) -> None:
    sys.stdout.write(_pretty(found))
