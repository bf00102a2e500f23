"""`fedsight store`: what the store holds, and what is done to it by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from fedsight.cli.options import UNKNOWN, Config, size
from fedsight.config import Settings, load
from fedsight.errors import FedsightError, UsageError

EXAMPLES = """[bold]Examples[/]

fedsight store stats: what there is, and what it takes up

fedsight store verify: look at every byte; exit code 1 where something is wrong

fedsight store export backup: everything, in open formats, beside a running collector

fedsight store import backup: into an empty data directory
"""

app = typer.Typer(
    no_args_is_help=True,
    help="Tell, compact, verify, export and import the store.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog="Example: fedsight store stats --json")
def stats(as_json: AsJson = False, config: Config = None) -> None:
    """Tell what the store holds and what it takes up, whether a collector runs or not."""
    from fedsight.cli.stored import stored
    from fedsight.collector.keeping import stats as told

    with stored(config) as store:
        found = told.stats(store, load(config).data)
    if as_json:
        _print_json(found)
        return
    per_sample = (
        f"{UNKNOWN} before some are sealed"
        if found.bytes_per_sample is None
        else f"{found.bytes_per_sample:.2f} B, roll-ups included"
    )
    lines = {
        "runs": f"{found.runs:,}",
        "events": f"{found.events:,}",
        "spans": f"{found.spans:,}",
        "series": f"{found.series:,}",
        "samples": f"{found.samples:,}, of which {found.hot_samples:,} wait to be sealed",
        "database": size(found.database_bytes),
        "sealed": _files(found.sealed, "samples"),
        **{f"by {n}": _files(files, "windows") for n, files in found.rollups.items()},
        "a sample": per_sample,
    }
    for name, value in lines.items():
        print(f"{name:<10}{value}")


def _files(found: object, rows: str) -> str:
    from fedsight.collector.keeping.stats import Files

    assert isinstance(found, Files)
    if not found.files:
        return "none"
    first, last = (str(time)[:19] + "Z" for time in (found.first, found.last))
    return f"{found.rows:,} {rows} in {found.files} files, {size(found.bytes)}, {first} to {last}"


@app.command(epilog="Example: fedsight store compact")
def compact(config: Config = None) -> None:
    """Seal and merge everything now. A running collector does so by itself, bit by bit."""
    from fedsight.cli.store_options import upkeeping
    from fedsight.collector.keeping.opened import changing
    from fedsight.collector.store.upkeep import Upkeep

    settings = _embedded(config)
    with changing(settings.data) as opened:
        how = upkeeping(settings)
        upkeep = Upkeep(opened.archive, opened.ingest, opened.file, how)
        try:
            upkeep.compact(_tell)
        finally:
            upkeep.close()
    done = upkeep.done
    print(
        f"sealed {done.sealed_samples:,} samples; merged {done.merged_samples:,};"
        f" dropped {done.dropped_samples:,}"
    )


@app.command(epilog="Example: fedsight store verify && echo all is well")
def verify(as_json: AsJson = False, config: Config = None) -> None:
    """Check the database and every sealed file. Exit code 1 where something is wrong."""
    from fedsight.collector.keeping.checking import verify as check
    from fedsight.collector.keeping.opened import reading

    wrong = 0
    with reading(load(config).data) as source:
        for found in check(source.store, source.archive.sealed.folder):
            wrong += found.wrong is not None
            if as_json:
                _print_line({"name": found.name, "wrong": found.wrong})
            else:
                print(f"{'ok' if found.wrong is None else 'WRONG':<7}{found.name}", end="")
                print("" if found.wrong is None else f": {found.wrong}")
    if wrong:
        _tell(f"{wrong} wrong; restore these files from a copy, or go on: the rest is read")
        raise typer.Exit(1)


@app.command("export", epilog="Example: fedsight store export backup --run r-3fa9c01b")
def export_store(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    run: Annotated[str | None, typer.Option(help="Only this run, by its id.")] = None,
    config: Config = None,
) -> None:
    """Write the store into a folder: Parquet and JSON lines, which any tool reads.

    A collector may run meanwhile: what is written is how all was at one moment.
    """
    from fedsight.cli.stored import full_id
    from fedsight.collector.keeping.exporting import export
    from fedsight.collector.keeping.opened import reading

    with reading(load(config).data) as source:
        chosen = None if run is None else full_id(source.store, run)
        try:
            index = export(source, folder, chosen, _tell)
        except OSError as error:
            raise FedsightError(f"cannot write to {folder}: {error.strerror or error}") from error
    print(f"{index.samples:,} samples of {index.series:,} series are in {folder}")


@app.command("import", epilog="Example: fedsight store import backup")
def import_store(
    folder: Annotated[Path, typer.Argument(help="A folder that `store export` wrote.")],
    config: Config = None,
) -> None:
    """Put an exported store into an empty data directory, or an exported run into any.

    The collector must not run. Either all of it is there at the end, or nothing.
    """
    from fedsight.collector.keeping.importing import import_
    from fedsight.collector.keeping.opened import changing

    with changing(_embedded(config).data) as opened:
        index = import_(opened, folder, _tell)
    what = "the store" if index.run is None else f"run {index.run}"
    print(f"{what} is in: {index.samples:,} samples of {index.series:,} series")


def _embedded(config: Path | None) -> Settings:
    """The settings; refuses where samples are elsewhere than in the data directory."""
    settings = load(config)
    if settings.store.backend != "embedded":
        raise UsageError(
            f"samples are kept in {settings.store.backend} (store.backend): there is nothing to"
            " seal or to import into; say FEDSIGHT_STORE_BACKEND=embedded for this data directory"
        )
    return settings


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _print_json(found: object) -> None:
    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    sys.stdout.write(text + "\n")


def _print_line(found: object) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
