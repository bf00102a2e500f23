"""`fedsight runs`: what was trained, read from the store, with or without a collector running."""

from __future__ import annotations

import csv
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fedsight.cli.options import UNKNOWN, Config, duration, figure, size
from fedsight.config import load
from fedsight.errors import FedsightError, UsageError

PAGE = 1000
#: Columns of figures, and the width of a table that no terminal limits.
FIGURES = ("round", "accuracy", "seconds")
WIDE = 200

app = typer.Typer(no_args_is_help=True, help="List, show and export runs.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[str, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")]


class Part(StrEnum):
    """What of a run a CSV holds."""

    ROUNDS = "rounds"
    CLIENTS = "clients"
    SPANS = "spans"
    EVENTS = "events"


class Format(StrEnum):
    """How an export is written."""

    JSON = "json"
    CSV = "csv"


@app.command("list", epilog="Example: fedsight runs list --limit 5")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List runs, newest first."""
    from fedsight.collector.reading import queries

    with _store(config) as store:
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
        table.add_column(title, no_wrap=True, justify="right" if title in FIGURES else "left")
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

    with _store(config) as store:
        found = queries.run(store, _full_id(store, run), queries.now_ns())
    assert found is not None
    if as_json:
        _print_json(found)
        return
    settings = " ".join(f"{key}={value}" for key, value in found.config.items())
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
        "settings": settings or UNKNOWN,
    }
    for name, value in lines.items():
        print(f"{name:<10}{value}")


@app.command(
    epilog="Example: fedsight runs export r-3fa9c01b --format csv --part clients -o clients.csv"
)
def export(
    run: Run,
    form: Annotated[Format, typer.Option("--format", help="json or csv.")] = Format.JSON,
    part: Annotated[
        Part | None, typer.Option(help="Rows of a CSV: rounds, clients, spans or events.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="stdout"),
    ] = None,
    config: Config = None,
) -> None:
    """Write all that is known of a run: JSON with everything, or a CSV of one part."""
    if part is not None and form is Format.JSON:
        raise UsageError(f"--part {part.value} needs --format csv; JSON holds all parts")
    with _store(config) as store:
        run_id = _full_id(store, run)
        with _written(output) as out:
            if form is Format.JSON:
                _write_json(store, run_id, out)
            else:
                _write_csv(_rows(store, run_id, part or Part.ROUNDS), out)


@contextmanager
def _store(config: Path | None) -> Iterator[sqlite3.Connection]:
    from fedsight.collector.store.storefile import open_readonly

    with closing(open_readonly(load(config).data)) as store:
        yield store


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    """The file, replaced only once it is whole; or stdout."""
    if output is None:
        yield sys.stdout
        return
    draft = output.with_name(f".{output.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as out:
            yield out
        draft.replace(output)
    except OSError as error:
        raise FedsightError(f"cannot write {output}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _full_id(store: sqlite3.Connection, beginning: str) -> str:
    """The one run whose id begins so. Raises UsageError where there is none, or several."""
    from fedsight.collector.reading import queries

    found = queries.run_ids(store, beginning, limit=5)
    if beginning in found or len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"run {beginning!r} could be any of {', '.join(found)}")
    there = queries.counts(store).runs
    raise UsageError(f"no run {beginning!r}; `fedsight runs list` shows the {there} there are")


def _rows(store: sqlite3.Connection, run: str, part: Part) -> list[msgspec.Struct]:
    """All rows of one part of a run."""
    from fedsight.collector.reading import clients, queries, spans

    def rounds_at(offset: int) -> Sequence[msgspec.Struct]:
        return queries.rounds(store, run, limit=PAGE, offset=offset).rounds

    def clients_at(offset: int) -> Sequence[msgspec.Struct]:
        which = clients.ClientFilter(limit=PAGE * 100, offset=offset)
        table = clients.client_table(store, run, which, clients.CLIENT_FIELDS)
        return clients.client_page(table).clients

    def spans_at(offset: int) -> Sequence[msgspec.Struct]:
        which = spans.SpanFilter(limit=PAGE * 100, offset=offset)
        return spans.span_page(spans.span_table(store, run, which)).spans

    if part is Part.EVENTS:
        return _events(store, run)
    return _paged({"rounds": rounds_at, "clients": clients_at, "spans": spans_at}[part.value])


def _paged(page_at: Callable[[int], Sequence[msgspec.Struct]]) -> list[msgspec.Struct]:
    rows: list[msgspec.Struct] = []
    while page := page_at(len(rows)):
        rows.extend(page)
    return rows


def _events(store: sqlite3.Connection, run: str) -> list[msgspec.Struct]:
    from fedsight.collector.reading import queries

    rows: list[msgspec.Struct] = []
    after = 0
    while True:
        page = queries.events(store, run, queries.EventFilter(after, limit=PAGE))
        if not page.events:
            return rows
        rows.extend(page.events)
        after = page.last_id


def _write_json(store: sqlite3.Connection, run: str, out: TextIO) -> None:
    from fedsight.collector.reading import queries

    parts = {part.value: _rows(store, run, part) for part in Part}
    found = {"run": queries.run(store, run, queries.now_ns()), **parts}
    out.write(_pretty(found))


def _write_csv(rows: Sequence[msgspec.Struct], out: TextIO) -> None:
    """A header, then a line a row; what is not known is empty, an object is JSON."""
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow(rows[0].__struct_fields__)
    for row in rows:
        writer.writerow([_cell(value) for value in msgspec.structs.astuple(row)])


def _cell(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value


def _short(time: str | None) -> str:
    """An RFC 3339 time to the second."""
    return UNKNOWN if time is None else f"{time[:19].replace('T', ' ')}Z"


def _pretty(found: object) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _print_json(found: object) -> None:
    sys.stdout.write(_pretty(found))
