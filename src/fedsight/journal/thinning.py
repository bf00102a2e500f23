"""What a record can lose when a journal runs out of room: figures of a node, never of a round."""

from __future__ import annotations

import time

import msgspec

from fedsight.signals import Batch, Event, SampleColumns, Series, batch

SOURCE = "journal"


def thinned(full: Batch) -> tuple[Batch, int]:
    """The batch without expendable samples, and how many of them went.

    A sample that belongs to a round itself (it has a round and its series no `node` label) stays,
    as do all events and spans.
    """
    columns = full.samples
    keep = [at for at in range(len(columns)) if _of_a_round(columns, at)]
    gone = len(columns) - len(keep)
    if gone == 0:
        return full, 0
    return msgspec.structs.replace(full, samples=_selected(columns, keep)), gone


def _of_a_round(columns: SampleColumns, at: int) -> bool:
    series = columns.series[columns.index[at]]
    return columns.round[at] is not None and "node" not in series.labels


def _selected(columns: SampleColumns, rows: list[int]) -> SampleColumns:
    used = sorted({columns.index[at] for at in rows})
    renumbered = {old: new for new, old in enumerate(used)}
    series: list[Series] = [columns.series[old] for old in used]
    return SampleColumns(
        series,
        [renumbered[columns.index[at]] for at in rows],
        [columns.time[at] for at in rows],
        [columns.value[at] for at in rows],
        [columns.round[at] for at in rows],
    )


def dropped(journal: str, run: str | None, records: int, samples: int) -> Batch:
    """The record that says what was dropped."""
    details = {"journal": journal, "records": records, "samples": samples}
    return batch(events=[Event(time.time_ns(), SOURCE, "SAMPLES_DROPPED", run, details=details)])
