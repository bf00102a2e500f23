"""A record's bytes are those of the batch, however often its series were said before."""

import msgspec
import pytest

from fedsight.journal import codec
from fedsight.journal.codec import Codec
from fedsight.signals import Batch, Event, SampleColumns, Series, Span

ACCURACY, LOSS = Series("fl_accuracy", {"run": "r-1"}), Series("fl_loss", {"run": "r-1"})


def round_of(number: int, *series: Series, value: float = 0.5) -> Batch:
    count = len(series)
    columns = SampleColumns(
        list(series), list(range(count)), [number] * count, [value] * count, [number] * count
    )
    event = Event(number, "federated", "ROUND_COMPLETED", "r-1", number)
    return Batch(columns, [event], [Span("r-1", number, None, "aggregate", number, number + 1)])


@pytest.mark.parametrize("series", [(), (ACCURACY,), (ACCURACY, LOSS), (LOSS, ACCURACY)])
def test_bytes_are_those_of_the_batch(series: tuple[Series, ...]) -> None:
    kept = Codec()
    for number in (1, 2):
        batch = round_of(number, *series)
        assert kept.encode(batch) == msgspec.json.encode(batch)
        assert kept.decode(kept.encode(batch)) == batch
    assert kept.encode(Batch()) == msgspec.json.encode(Batch())


def test_what_a_batch_may_not_hold_is_named() -> None:
    kept = Codec()
    kept.encode(round_of(1, ACCURACY))
    with pytest.raises(ValueError, match="value"):
        kept.encode(round_of(2, ACCURACY, value=float("nan")))
    with pytest.raises(ValueError, match="time"):
        kept.encode(round_of(-1, ACCURACY))
    with pytest.raises(ValueError, match="matching regex"):
        kept.encode(round_of(2, ACCURACY, Series("two words")))
    short = round_of(2, ACCURACY)
    short.samples.index.append(1)
    with pytest.raises(ValueError, match="time"):
        kept.encode(short)


def test_series_that_are_not_said_again_do_not_pile_up() -> None:
    kept = Codec()
    for number in range(codec.REMEMBERED // 1000 + 2):
        kept.encode(round_of(number, *(Series(f"x{number}_{at}") for at in range(1000))))
    assert kept.remembered <= codec.REMEMBERED
