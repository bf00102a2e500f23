"""What the collector's benchmark sends is the same in every format."""

from __future__ import annotations

import json

from benchmarks.collector_load import (
    METRICS,
    Piece,
    Shape,
    columns,
    import_lines,
    import_lines_with_round,
    influx_lines,
    pieces,
    small,
)
from benchmarks.remote_write import snappy, write_request
from fedsight.collector.taking.columns import ColumnReader
from fedsight.collector.taking.lines import LineReader

SHAPE = Shape(runs=2, clients=30, rounds=7, rounds_a_body=3)
Sample = tuple[str, str, int, float]


def of_lines(piece: Piece) -> list[Sample]:
    found = []
    for line in import_lines(piece).splitlines():
        of = json.loads(line)
        for time, value in zip(of["timestamps"], of["values"], strict=True):
            found.append((of["metric"]["__name__"], of["metric"]["node"], time, value))
    return sorted(found)


def test_pieces_are_all_samples_once() -> None:
    assert [(p.run, p.first, len(p.rounds)) for p in pieces(SHAPE)] == [
        *[(0, 0, 3), (0, 3, 3), (0, 6, 1)],
        *[(1, 0, 3), (1, 3, 3), (1, 6, 1)],
    ]
    assert sum(piece.samples for piece in pieces(SHAPE)) == SHAPE.samples == 2 * 30 * 7 * 4


def test_all_formats_say_the_same() -> None:
    piece = list(pieces(SHAPE))[1]
    expected = of_lines(piece)
    read = ColumnReader().read(columns(piece), 10**6)
    lines = LineReader().read(influx_lines(piece), 10**6, 0)
    assert not lines.bad
    for block in (read, lines.columns):
        found = [
            (block.series[at].name, block.series[at].labels["node"], time // 10**6, value)
            for at, time, value in zip(
                block.index.tolist(), block.time.tolist(), block.value.tolist(), strict=True
            )
        ]
        assert sorted(found) == expected
        assert set(block.round.tolist()) == {3, 4, 5}
    rounds = [json.loads(line) for line in import_lines_with_round(piece).splitlines()]
    assert len(rounds) == piece.samples
    assert {each["metric"]["round"] for each in rounds} == {"3", "4", "5"}


def test_small_pieces_are_of_one_hundred_samples_each_other_ones() -> None:
    cut = small(list(pieces(SHAPE)), 5)
    assert [piece.samples for piece in cut] == [25 * len(METRICS)] * 5
    assert len({sample for piece in cut for sample in of_lines(piece)}) == 500


def test_remote_write_holds_every_name_and_value() -> None:
    piece = next(pieces(SHAPE))
    body = write_request(piece)
    assert body.count(b"fl_client_train_loss") == SHAPE.clients
    assert piece.values[0, 0, 0].tobytes() in body
    assert snappy(b"abc") == bytes([3, 61 << 2, 2, 0]) + b"abc"
