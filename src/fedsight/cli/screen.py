"""What a run shows in the terminal: a line a round, and where it is one, a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fedsight.cli.options import duration, figure, size

if TYPE_CHECKING:
    from fedsight.federated.plan import Plan
    from fedsight.federated.runs.personal import Personal
    from fedsight.federated.training import Outcome, RoundReport
    from fedsight.federated.versions.names import Version

#: Title and width of the columns that every run has: the first, and the last.
FIRST = (("round", 6), ("loss", 9))
LAST = (("participants", 13), ("seconds", 9), ("payload", 10))
#: Between them is what else the model is judged by.
ACCURACY = "accuracy"
FIGURE_WIDTH = 9
SHOWN_FAILURES = 5
SAID_EVERY_SECONDS = 10.0

#: Rows of a node, how many it needs, and what it lacks; None: nothing.
Arrived = tuple[int, int, str | None]


def figures(task: object) -> tuple[str, ...]:
    """What the task's models are judged by beside their loss."""
    own = getattr(task, "figures", ())
    return tuple(str(name) for name in own) or (ACCURACY,)


def columns(shown: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Title and width of each column, where the figures `shown` are beside the loss."""
    return (*FIRST, *((name, max(FIGURE_WIDTH, len(name) + 1)) for name in shown), *LAST)


def heading(shown: Sequence[str] = (ACCURACY,)) -> str:
    """The titles, right-aligned over their columns."""
    return "".join(title.rjust(width) for title, width in columns(shown))


def row(report: RoundReport, shown: Sequence[str] = (ACCURACY,)) -> str:
    """One round as a line under the heading."""
    known = {**report.figures, ACCURACY: report.accuracy}
    cells = (
        str(report.round),
        figure(report.loss),
        *(figure(known.get(name)) for name in shown),
        f"{report.participants}/{report.selected}",
        f"{report.seconds:.2f}",
        size(report.payload_bytes),
    )
    widths = (width for _, width in columns(shown))
    return "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def failures(report: RoundReport) -> list[str]:
    """A line for each client that failed, up to a few."""
    lines = [f"  round {report.round}: {failure}" for failure in report.failures[:SHOWN_FAILURES]]
    more = len(report.failures) - SHOWN_FAILURES
    return [*lines, f"  round {report.round}: and {more} more"] if more > 0 else lines


def planned(plan: Plan) -> str:
    """What is about to be trained."""
    share = f"{plan.partition}({plan.alpha:g})" if plan.partition == "dirichlet" else plan.partition
    share = f"their own data in {plan.data}" if plan.partition == "own" else share
    chosen = "all" if plan.fraction == 1.0 else f"{plan.fraction:.0%}"
    return (
        f"{plan.task}: {plan.nodes} nodes, {share}, rounds: {plan.rounds} of {chosen} nodes,"
        f" local epochs: {plan.epochs}"
    )


def summary(outcome: Outcome, shown: Sequence[str] = (ACCURACY,)) -> str:
    """How the run ended, in one line; `shown` are the figures that its task has."""
    reason = f" ({outcome.reason})" if outcome.reason else ""
    accuracy = f"accuracy {figure(outcome.accuracy)}, " if ACCURACY in shown else ""
    return (
        f"{outcome.run_id} {outcome.state}{reason} after {outcome.rounds} rounds"
        f" in {duration(outcome.seconds)}: {accuracy}"
        f"loss {figure(outcome.loss)}; payload {size(outcome.bytes_up)} up,"
        f" {size(outcome.bytes_down)} down"
    )


def saved(version: Version, best: int | None = None) -> str:
    """Where the newest model is, or the one of round `best`, and the command that fetches it."""
    if best is None:
        return f"model {version}: fedsight models get {version} --output model.safetensors"
    named = f"{version.run}/best"
    return (
        f"best model {version.run}/{best}, the last is {version}:"
        f" fedsight models get {named} --output model.safetensors"
    )


def told_personal(found: Personal) -> str:
    """What came of the nodes' own models, in one line."""
    from fedsight.federated.runs.personal import said

    return said(found)


def printable(text: str) -> str:
    """The text with what would steer a terminal made visible; its lines stay."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


class Screen:
    """Says things to a person: on stdout, or on stderr where stdout is for a program."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(
            stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False
        )

    @property
    def stream(self) -> IO[str]:
        """Where it says them."""
        return self._console.file

    def say(self, text: str, style: str | None = None) -> None:
        """One line, as it is; but what a node says cannot steer the terminal."""
        self._console.print(printable(text), style=style)

    @contextmanager
    def rounds(
        self, total: int | None, shown: Sequence[str] = (ACCURACY,)
    ) -> Iterator[Callable[[RoundReport], None]]:
        """Show rounds as they are reported, with the figures `shown` beside their loss.

        `total` None: nobody knows how many there will be.
        """
        self.say(heading(shown), "bold")
        if not self._console.is_terminal:
            yield lambda report: self._show(report, shown)
            return
        with self._bar() as bar:
            task = bar.add_task("rounds", total=total)

            def advance(report: RoundReport) -> None:
                bar.update(task, completed=report.round, total=report.rounds or None)
                self._show(report, shown)

            yield advance

    @contextmanager
    def arriving(self) -> Iterator[Callable[[Mapping[str, Arrived]], None]]:
        """Show rows as they arrive, given by node; in a terminal as a bar for each."""
        if not self._console.is_terminal:
            yield self._tell_arrived()
            return
        with self._bar() as bar:
            lines: dict[str, TaskID] = {}

            def show(found: Mapping[str, Arrived]) -> None:
                for node, (rows, needed, _) in found.items():
                    if node not in lines:
                        lines[node] = bar.add_task(printable(node), total=needed)
                    bar.update(lines[node], completed=min(rows, needed))

            yield show

    def _tell_arrived(self) -> Callable[[Mapping[str, Arrived]], None]:
        """Says a line every ten seconds, where something has changed."""
        said, text = -SAID_EVERY_SECONDS, ""

        def show(found: Mapping[str, Arrived]) -> None:
            nonlocal said, text
            lacks = [f"{node} {why}" for node, (_, _, why) in found.items() if why]
            now = time.monotonic()
            if now - said >= SAID_EVERY_SECONDS and (line := ", ".join(lacks)) != text:
                said, text = now, line
                self.say(f"  {line}")

        return show

    def _show(self, report: RoundReport, shown: Sequence[str]) -> None:
        self.say(row(report, shown))
        for line in failures(report):
            self.say(line, "yellow")

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=2,
            transient=True,
        )
