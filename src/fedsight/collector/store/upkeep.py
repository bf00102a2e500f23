"""Seals, merges and lets go of samples in the background, in a thread of its own."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.collector.store import (
    manifest,
    merging,
    orphans,
    retention,
    rollups,
    sealing,
    series_file,
    series_index,
    shrinking,
)
from fedsight.collector.store.archive import Archive
from fedsight.collector.store.engine import open_engine
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.pace import Pace
from fedsight.collector.store.retention import Upkeeping
from fedsight.collector.store.schema import connect_reader
from fedsight.collector.store.settling import Settling
from fedsight.door.times import now_ns
from fedsight.signals import batch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from fedsight.collector.ingest import Ingest

#: Memory of a merge before it spills to disk, in MB: merging 8 M samples takes 137 MiB then, where
#: it took 375 with all that it wanted, and three times as long, behind all others.
MEMORY_MB = 128
#: Behind ingest and queries wherever they compete for a core.
NICENESS = 10
LONGEST_PAUSE = 60.0
#: So many files to be merged come before more samples are sealed.
MANY = 4 * merging.FAN_IN
#: Where sealing lags behind, as many times the usual number of samples go into one file.
AT_ONCE = 4
RETENTION_SECONDS = 60.0


@dataclass
class Done:
    """What was done since the start; only ever grows."""

    sealed_files: int = 0
    sealed_samples: int = 0
    seal_seconds: float = 0.0
    merges: int = 0
    merged_samples: int = 0
    merge_seconds: float = 0.0
    dropped_files: int = 0
    dropped_samples: int = 0
    failures: int = 0


class Upkeep:
    """Keeps one store in shape. `error` says why the last attempt failed, None while all is well.

    What fails is tried again after a pause that grows to a minute; nothing is lost by it.
    """

    def __init__(self, archive: Archive, ingest: Ingest, file: Path, how: Upkeeping) -> None:
        self.done = Done()
        self.error: str | None = None
        self._archive = archive
        self._folder = archive.sealed.folder
        self._ingest = ingest
        self._settling = Settling(self._folder, ingest)
        self._file = file
        self._how = how
        self._stop = threading.Event()
        self._engine: DuckDBPyConnection | None = None
        self._thread = threading.Thread(target=self._loop, name="upkeep", daemon=True)
        self._since: float | None = None
        self._pace = Pace()
        self._looked = float("-inf")
        self._told_series = 0

    @property
    def wrong(self) -> str | None:
        """What is wrong with the samples, as one sentence; None while all is well."""
        return self.error or named(self._archive.sealed.problems)

    def start(self) -> list[str]:
        """Clean up after a crash and begin; returns files of other stores that were moved away."""
        with self._snapshot() as store:
            moved = orphans.clean(self._folder, store)[1]
            self._archive.sealed.look(manifest.segments(store))
        self._thread.start()
        return moved

    def close(self) -> None:
        """Break off what is under way, which loses nothing, and end."""
        self._stop.set()
        while self._thread.is_alive():
            self._break_off()
            self._thread.join(0.05)
        self._rest()  # files that were replaced wait for the next start: others may read them

    def _break_off(self) -> None:
        """Interrupt a query that runs; one that has yet to begin is met the next time."""
        engine = self._engine
        if engine is not None:
            import duckdb

            with suppress(duckdb.ConnectionException):  # it was closed just now
                engine.interrupt()

    def _loop(self) -> None:
        with suppress(OSError):  # where threads have no priority of their own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        pause = self._how.look_seconds
        while not self._stop.wait(pause):
            try:
                while self.step() and not self._stop.is_set():
                    pass
                self._rest()
                self.give_back()
                self.error, pause = None, self._how.look_seconds
            except Exception as error:  # a full disk or a damaged file must not end the upkeep
                if self._stop.is_set():
                    return
                self.done.failures += 1
                self.error = f"cannot seal or merge samples: {error}"
                pause = min(LONGEST_PAUSE, max(1.0, 2 * pause))

    def step(self) -> bool:
        """Do the most pressing thing, if anything is due; False where nothing is.

        While much comes in merging waits, until there are `MANY` files: it competes for cores and
        disk, and nothing is lost by waiting.
        """
        self._archive.leases.sweep()
        self._settling.resolve()
        with self._snapshot() as store:
            hot = sealing.hot_state(store)
            segments = self._sound(manifest.segments(store))
        busy = self._pace.busy(hot.samples)
        chosen = merging.due(manifest.raw(segments), self._how.kept.widest)
        if self._is_due(hot) and len(chosen) < MANY:
            return self.seal(min(hot.samples, AT_ONCE * self._how.seal_samples))
        if chosen and (len(chosen) >= MANY or not busy):
            self.merge(chosen)
            return True
        if time.monotonic() - self._looked >= RETENTION_SECONDS:
            self._looked = time.monotonic()
            return self.let_go(segments)
        return False

    def _is_due(self, hot: sealing.HotState) -> bool:
        if not hot.samples:
            self._since = None
            return False
        self._since = time.monotonic() if self._since is None else self._since
        old = time.monotonic() - self._since >= self._how.seal_seconds
        return old or hot.samples >= self._how.seal_samples

    def _sound(self, segments: list[Segment]) -> list[Segment]:
        return [s for s in segments if s.file not in self._archive.sealed.problems]

    def seal(self, most: int = 0) -> bool:
        """Seal the oldest hot samples, about `most`; False where there are none."""
        began = time.monotonic()
        most = max(most, self._how.seal_samples)
        with self._working() as engine:
            made = sealing.seal(engine, self._file, self._settling, most)
            self._tell_series(engine)
        if made is None:
            return False
        self._pace.sealed(made.n)
        self._since = None
        self.done.sealed_files += 1
        self.done.sealed_samples += made.n
        self.done.seal_seconds += time.monotonic() - began
        return True

    def _tell_series(self, engine: DuckDBPyConnection) -> None:
        with self._snapshot() as store:
            newest = series_index.newest(store)
            if newest > self._told_series:
                series_file.write_series(engine, self._folder, store)
                self._told_series = newest

    def merge(self, chosen: list[Segment]) -> None:
        """Merge files; those replaced go once no reader can use them any more."""
        began = time.monotonic()
        with self._snapshot() as store:
            sources = {segment.id for segment in chosen}
            old = [s for s in manifest.segments(store) if s.id in sources or s.source in sources]
        with self._working() as engine:
            made = merging.merge(engine, self._settling, chosen)
        self._retire(old)
        self.done.merges += 1
        self.done.merged_samples += made.n
        self.done.merge_seconds += time.monotonic() - began

    def let_go(self, segments: list[Segment]) -> bool:
        """Drop what has stayed too long or is too much; False where all may stay."""
        gone = retention.expired(segments, self._how.kept, now_ns())
        if gone is None:
            return False
        keep = self._how.kept.keeps_rollups and gone.why == "age"
        made = self._last_rollups(gone.raw, segments) if keep else []
        event = retention.told(gone, now_ns(), rollups_kept=keep)
        change = partial(_drop, gone=gone, made=made, keep=keep)
        self._settling.settled(self._ingest.keep(batch(events=[event]), change), made)
        ids = {segment.id for segment in gone.raw}
        rolled = [] if keep else [s for s in segments if s.source in ids]
        self._retire([*gone.raw, *gone.rolled, *rolled])
        self.done.dropped_files += len(gone.raw) + len(gone.rolled)
        self.done.dropped_samples += sum(segment.n for segment in gone.raw)
        return True

    def _last_rollups(self, going: list[Segment], all_: list[Segment]) -> list[Segment]:
        """Roll-ups of files that are about to go, as far as there are none yet."""
        made: list[Segment] = []
        with self._working() as engine:
            for raw in going:
                have = {s.step for s in all_ if s.source == raw.id}
                new = rollups.roll_up(engine, self._folder, raw, last_chance=True)
                rollups.drop(self._folder, [each for each in new if each.step in have])
                made += [each for each in new if each.step not in have]
        return made

    def give_back(self, spare: int = shrinking.SPARE) -> None:
        """Shrink the database where it has pages to spare: those of what was sealed."""
        with self._snapshot() as store:
            wanted = shrinking.to_spare(store, spare)
        if wanted:
            shrinking.give_back(self._ingest, spare, self._stop.is_set)

    def compact(self, tell: Callable[[str], object] = lambda _: None) -> None:
        """Seal and merge all there is, now. Only where no collector and no thread does so."""
        while self.seal():
            tell(f"sealed {self.done.sealed_samples:,} samples")
        while chosen := self._mergeable():
            tell(f"merging {len(chosen)} files of {sum(s.n for s in chosen):,} samples")
            self.merge(chosen)
        with self._snapshot() as store:
            segments = self._sound(manifest.segments(store))
        self.let_go(segments)
        self._archive.leases.sweep(at_once=True)
        shrinking.enable(self._ingest)
        self.give_back(spare=0)

    def _mergeable(self) -> list[Segment]:
        with self._snapshot() as store:
            raw = manifest.raw(self._sound(manifest.segments(store)))
        return merging.all_due(raw, self._how.kept.widest)

    def _retire(self, segments: list[Segment]) -> None:
        self._archive.leases.retire([self._folder / segment.file for segment in segments])

    @contextmanager
    def _working(self) -> Iterator[DuckDBPyConnection]:
        """The engine that does the work; after a failure, another one."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._engine is None:
            self._engine = open_engine(self._folder, threads=1, memory_mb=MEMORY_MB)
        try:
            yield self._engine
        except BaseException:
            self._rest()
            raise

    def _rest(self) -> None:
        """Close the engine: what it took of memory goes back."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        connection = connect_reader(self._file)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()


def _drop(
    store: sqlite3.Connection, gone: retention.Expired, made: list[Segment], keep: bool
) -> None:
    for segment in made:
        manifest.add(store, segment)
    ids = [segment.id for segment in gone.raw]
    if keep:
        manifest.release(store, ids)
    else:
        manifest.remove(store, ids)
    manifest.remove(store, [segment.id for segment in gone.rolled])


def named(problems: dict[str, str]) -> str | None:
    """One sentence for files that cannot be read; None where there are none."""
    if not problems:
        return None
    file, why = next(iter(problems.items()))
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"sealed samples cannot be read: {file} ({why}){more}; see `fedsight store verify`"
