"""`fedsight export`: what the collector holds, as a file."""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.options import Config, size
from fedsight.cli.stored import file_of, full_id, stored, written
from fedsight.config import load
from fedsight.errors import FedsightError, UsageError

if TYPE_CHECKING:
    from fedsight.cli.exporting import Asked
    from fedsight.collector.export.job import Manifest

EXAMPLES = (
    "Examples:\n\n"
    "fedsight export r-3fa9c01b --output run.zip\n\n"
    "fedsight export --all --format parquet --aggregation 1m --output all.zip\n\n"
    "fedsight export r-3fa9c01b --table rounds --format csv"
)


class Form(StrEnum):
    """How tables are written."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class Grain(StrEnum):
    """Samples as they came in, or as windows."""

    RAW = "raw"
    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"


class Part(StrEnum):
    """A table of an export."""

    SAMPLES = "samples"
    EVENTS = "events"
    RUNS = "runs"
    ROUNDS = "rounds"
    CLIENTS = "clients"
    SPANS = "spans"


class Component(StrEnum):
    """Whose samples and events."""

    FL = "fl"
    NETWORK = "network"
    POLICY = "policy"
    SYSTEM = "system"


@dataclass(frozen=True)
class Target:
    """Where an export goes: a file, or standard output, where `one` table is wanted by itself."""

    output: Path | None
    one: str | None


Run = Annotated[str | None, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")]
Everything = Annotated[bool, typer.Option("--all", help="All runs.")]
FormOption = Annotated[Form, typer.Option("--format", help="json (lines), csv or parquet.")]
GrainOption = Annotated[
    Grain, typer.Option("--aggregation", help="Samples as they came in, or in windows.")
]
Tables = Annotated[
    list[Part] | None,
    typer.Option(
        "--table", help="Only this table; may be given several times.", show_default="all"
    ),
]
Components = Annotated[
    list[Component] | None,
    typer.Option(
        "--component", help="Only this component; may be given several times.", show_default="all"
    ),
]
Start = Annotated[str | None, typer.Option("--from", help="Not before this time (RFC 3339).")]
End = Annotated[str | None, typer.Option("--to", help="Before this time (RFC 3339).")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write.",
        show_default="RUN.zip; of one table, standard output",
    ),
]


def export(
    run: Run = None,
    everything: Everything = False,
    form: FormOption = Form.JSON,
    grain: GrainOption = Grain.RAW,
    tables: Tables = None,
    components: Components = None,
    start: Start = None,
    end: End = None,
    output: Output = None,
    config: Config = None,
) -> None:
    """Write what is known of a run, or of all, to a file: a ZIP with one file a table.

    One --table alone is written as itself. A collector that is up makes the file; without one it
    is made from the store directly.
    """
    if (run is None) != everything:
        raise UsageError("name a run, or say --all (and not both)")
    from fedsight.cli.exporting import Asked, from_collector, from_store

    asked = Asked(
        _full(run, config),
        form.value,
        grain.value,
        tuple(dict.fromkeys(table.value for table in tables or ())),
        tuple(dict.fromkeys(component.value for component in components or ())),
        start,
        end,
    )
    target = _target(asked, output)
    folder = (target.output or Path.cwd() / "x").parent
    with _scratch(folder) as scratch:
        archive = Path(scratch) / "export.zip"
        settings = load(config)
        if not from_collector(settings, asked, archive):
            from_store(settings, asked, archive)
        _deliver(archive, target)


def _full(run: str | None, config: Path | None) -> str | None:
    if run is None:
        return None
    with stored(config) as store:
        return full_id(store, run)


def _target(asked: Asked, output: Path | None) -> Target:
    one = asked.tables[0] if len(asked.tables) == 1 else None
    if output is not None:
        return Target(output, None if output.suffix == ".zip" else one)
    if one is None:
        return Target(file_of(asked.run or "fedsight", ".zip"), None)
    if asked.form == "parquet":
        raise UsageError("a Parquet file needs --output FILE")
    return Target(None, one)


def _scratch(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Room beside the output, so that moving a file there copies nothing."""
    try:
        return tempfile.TemporaryDirectory(prefix=".fedsight-export-", dir=folder)
    except OSError as error:
        raise FedsightError(f"cannot write to {folder}: {error.strerror}") from error


def _deliver(archive: Path, target: Target) -> None:
    """Put the archive, or its one table, where it is wanted, and say what it holds."""
    with zipfile.ZipFile(archive) as held:
        told = _manifest(held)
        rows = sum(table.rows for table in told.tables.values())
        if target.one is not None:
            _copy_table(held, told.tables[target.one].file, target.output)
    if target.one is None:
        assert target.output is not None
        try:
            archive.replace(target.output)
        except OSError as error:
            raise FedsightError(f"cannot write {target.output}: {error.strerror}") from error
    if told.note is not None:
        print(f"fedsight: {told.note}", file=sys.stderr)
    if target.output is not None:
        held_bytes = size(target.output.stat().st_size)
        print(f"{target.output}: {rows} rows, {held_bytes}", file=sys.stderr)


def _manifest(held: zipfile.ZipFile) -> Manifest:
    import msgspec

    from fedsight.collector.export.job import MANIFEST, Manifest

    return msgspec.json.decode(held.read(MANIFEST), type=Manifest)


def _copy_table(held: zipfile.ZipFile, name: str, output: Path | None) -> None:
    with held.open(name) as content:
        if output is None:
            with suppress(BrokenPipeError):
                shutil.copyfileobj(content, sys.stdout.buffer)
                sys.stdout.flush()
            return
        with written(output) as out:
            shutil.copyfileobj(content, out)
