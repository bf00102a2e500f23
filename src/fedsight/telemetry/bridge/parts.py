"""The parts of one bridge, made and taken down in their order."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from fedsight.journal import Journal, Shipper
from fedsight.journal.http import HttpSink
from fedsight.journal.proven import ProvenSink
from fedsight.telemetry.bridge.bridge import Bounds, Bridge, SignalReader
from fedsight.telemetry.bridge.committing import Committer
from fedsight.telemetry.bridge.into_windows import IntoWindows
from fedsight.telemetry.bridge.logs import LogsReader
from fedsight.telemetry.bridge.minutes import Minutes
from fedsight.telemetry.bridge.options import BridgeOptions
from fedsight.telemetry.bridge.rows import Rows, SignalJournal
from fedsight.telemetry.bridge.traces import TracesReader
from fedsight.telemetry.bridge.work import Forward, Nowhere
from fedsight.telemetry.windows import BridgeConfiguration, Sorter, Windows

#: What the journal of a bridge is called, and something that no other was called.
PREFIX = "otlp-"


@dataclass
class Parts:
    """What runs. `shipper` is None where nothing is forwarded."""

    options: BridgeOptions
    bridge: Bridge
    into_windows: IntoWindows
    shipper: Shipper | None
    journal: Journal | None


@contextmanager
def made(
    options: BridgeOptions, token: str, windows: Windows, configuration: BridgeConfiguration
) -> Iterator[Parts]:
    """The parts, running, until the end of the block. Raises JournalError, StoreError."""
    with ExitStack() as stack:
        forward: Forward = Nowhere()
        journal, shipper = None, None
        if options.forward != "nothing":
            journal = stack.enter_context(_journal(options))
            sink = stack.enter_context(closing(_sink(options, token)))
            shipper = stack.enter_context(Shipper(journal, sink))
            forward = stack.enter_context(closing(_forward(options, journal)))
        into_windows = IntoWindows(windows, Sorter(configuration))
        committer = Committer(forward, into_windows).start()
        sorters = [Sorter(configuration), Sorter(configuration)]
        bounds = Bounds(options.waiting_bytes, options.labels, forward.longest_name, options.clocks)
        readers: dict[str, SignalReader] = {
            "logs": LogsReader(options.severity),
            "traces": TracesReader(options.all_spans),
        }
        bridge = Bridge(forward, committer, sorters, readers, bounds)
        stack.callback(bridge.close)
        yield Parts(options, bridge, into_windows, shipper, journal)


def _journal(options: BridgeOptions) -> Journal:
    """The journal that this data directory's bridge had before, else a new one.

    A journal that the collector has whole is removed after some days; its name is never used again,
    as the collector would take what is new in it for what it has.
    """
    found = sorted(
        options.journals.glob(f"{PREFIX}*.sqlite"), key=lambda path: path.stat().st_mtime
    )
    name = found[-1].name.removesuffix(".sqlite") if found else PREFIX + secrets.token_hex(4)
    return Journal(options.journals, name, max_bytes=options.journal_bytes)


def _sink(options: BridgeOptions, token: str) -> HttpSink | ProvenSink:
    to = options.upstream
    if to.token is None:
        return ProvenSink(to.url, options.data, token, to.verify)
    return HttpSink(to.url, to.token, verify=to.verify)


def _forward(options: BridgeOptions, journal: Journal) -> Forward:
    signals = SignalJournal(journal)
    if options.forward == "rows":
        return Rows(signals)
    return Minutes(options.minutes, signals, options.lateness)
