"""`fedsight notebook`: a run as a Jupyter notebook that runs from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsight.cli.options import Config, figure
from fedsight.cli.stored import file_of, full_id, stored, written
from fedsight.config import Settings, load
from fedsight.errors import FedsightError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from fedsight.collector.reading.rows import RunSummary

EXAMPLES = (
    "Examples:\n\n"
    "fedsight notebook r-3fa9c01b --output run.ipynb\n\n"
    "fedsight notebook r-3fa9c01b --offline"
)
CELLS = "notebook_cells.py"
MARK = re.compile(r"^# %% (\w+)$", re.MULTILINE)
#: Tables that the notebook reads where it is made to be read without a collector.
TABLES = ("samples", "events", "runs", "rounds", "clients", "spans")


@dataclass(frozen=True)
class Cell:
    """One cell: `markdown`, `code`, `parameters`, `online` or `offline`."""

    kind: str
    text: str


def notebook(
    run: Annotated[str, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="RUN.ipynb"),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Put the data in a file beside it; no collector is asked."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    config: Config = None,
) -> None:
    """Write a notebook that shows a run: its rounds, clients, waterfall and network.

    It asks the collector each time it runs, or with --offline reads a file beside it.
    """
    from fedsight.cli.attached import collector_url

    _check_installed()
    with stored(config) as store:
        run_id = full_id(store, run)
        found = _summary(store, run_id)
    target = output or file_of(run_id, ".ipynb")
    data = target.with_suffix(".data.zip")
    for file in (target, data) if offline else (target,):
        if file.exists() and not force:
            raise UsageError(f"{file} is there already; say --force to replace it")
    settings = load(config)
    if offline:
        _write_data(settings, run_id, data)
    text = assembled(
        found, collector_url(settings, settings.collector.port), data.name, offline=offline
    )
    with written(target) as out:
        out.write(text.encode())
    print(f"{target}: open it with `jupyter lab {target}`")


def _check_installed() -> None:
    wanted = {
        "nbformat": find_spec("nbformat"),
        "pandas": find_spec("pandas"),
        "matplotlib": find_spec("matplotlib"),
    }
    missing = [name for name, found in wanted.items() if found is None]
    if missing:
        raise MissingExtraError(", ".join(missing), "analysis")


def _summary(store: Any, run_id: str) -> RunSummary:
    from fedsight.collector.reading import queries

    found = queries.run(store, run_id, queries.now_ns())
    assert found is not None
    return found


def _write_data(settings: Settings, run_id: str, target: Path) -> None:
    """An export of the run as CSV."""
    import tempfile

    from fedsight.cli.exporting import Asked, from_collector, from_store

    asked = Asked(run_id, "csv", "raw", TABLES)
    try:
        with tempfile.TemporaryDirectory(prefix=".fedsight-", dir=target.parent) as folder:
            archive = Path(folder) / "export.zip"
            if not from_collector(settings, asked, archive):
                from_store(settings, asked, archive)
            archive.replace(target)
    except OSError as error:
        raise FedsightError(f"cannot write {target}: {error.strerror or error}") from error


def cells() -> Iterator[Cell]:
    """The cells of the template, in order."""
    parts = MARK.split((files("fedsight.cli") / CELLS).read_text(encoding="utf-8"))
    for kind, text in zip(parts[1::2], parts[2::2], strict=True):
        yield Cell(kind, text.strip("\n"))


def assembled(run: RunSummary, url: str, data: str, *, offline: bool) -> str:
    """The notebook as text (nbformat 4.5); equal arguments give equal text."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    unwanted = "online" if offline else "offline"
    made = [new_markdown_cell(_title(run))]
    for cell in cells():
        if cell.kind == "markdown":
            made.append(new_markdown_cell(re.sub(r"^# ?", "", cell.text, flags=re.MULTILINE)))
        elif cell.kind == "parameters":
            made.append(new_code_cell(_parameters(run.id, url, data, offline=offline)))
        elif cell.kind != unwanted:
            made.append(new_code_cell(cell.text))
    for number, cell_node in enumerate(made):
        cell_node["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = new_notebook(cells=made, metadata={"kernelspec": kernel})
    nbformat.validate(book)
    return str(nbformat.writes(book))


def _parameters(run_id: str, url: str, data: str, *, offline: bool) -> str:
    """The cell that says what is looked at."""
    where = f"DATA = {data!r}" if offline else f"URL = {url!r}"
    return f"RUN = {run_id!r}\n{where}"


def _title(run: RunSummary) -> str:
    started = "at a time that is not known" if run.started is None else run.started[:19] + "Z"
    task = run.task or "an unknown task"
    return (
        f"# Run {_plain(run.id)}\n\n{_plain(task)}, {run.state}, started {started},"
        f" round {run.round}: accuracy {figure(run.accuracy)}, loss {figure(run.loss)} when this"
        " notebook was made."
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: an id is whatever a producer said."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$&-])", r"\\\1", " ".join(text.split()))
