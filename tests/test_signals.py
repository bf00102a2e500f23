import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.signals import (
    Batch,
    Event,
    Sample,
    SampleColumns,
    Series,
    Shipment,
    Span,
    batch,
    samples_of,
    series_key,
)

names = st.sampled_from(["fl_accuracy", "fl_eval_loss", "x"])
labels = st.dictionaries(st.sampled_from(["run", "node"]), st.sampled_from(["a", "b"]))
samples = st.builds(
    Sample,
    time=st.integers(0, 7_258_118_400_000_000_000),
    name=names,
    value=st.floats(allow_nan=False, allow_infinity=False),
    round=st.none() | st.integers(0, 10**9),
    labels=labels,
)


@given(st.lists(samples, max_size=30))
def test_samples_come_back_from_columns_and_from_the_wire_as_they_were(rows: list[Sample]) -> None:
    columns = batch(rows).samples
    wire = msgspec.json.decode(msgspec.json.encode(Batch(columns)), type=Batch)
    assert samples_of(columns) == rows
    assert samples_of(wire.samples) == rows
    assert len(columns.series) <= len({(r.name, tuple(r.labels.items())) for r in rows})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_not_a_sample(value: float) -> None:
    with pytest.raises(ValueError, match="'fl_eval_loss' must be finite"):
        Sample(0, "fl_eval_loss", value)


def test_a_span_does_not_end_before_it_starts() -> None:
    assert Span("r", 1, "n", "train", 5, 5).seconds == 0.0
    with pytest.raises(ValueError, match="ends 2 ns before"):
        Span("r", 1, "n", "train", 5, 3)


def test_nanoseconds_do_not_merge_neighbouring_points() -> None:
    times = [1_763_805_120_000_000_000 + step for step in range(3)]
    found = samples_of(batch([Sample(time, "x", 1.0) for time in times]).samples)
    assert all(later.time - earlier.time == 1 for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"index": [0], "time": [], "value": [1.0], "round": [None]}, "'time' must have 1"),
        ({"index": [1], "time": [0], "value": [1.0], "round": [None]}, "within 1 series"),
        ({"index": [-1], "time": [0], "value": [1.0], "round": [None]}, "within 1 series"),
        ({"index": [0], "time": [0], "value": [None], "round": [None]}, r"\$\.value\[0\]"),
        ({"index": [0], "time": [-1], "value": [1.0], "round": [None]}, r"\$\.time\[0\]"),
        ({"index": [0], "time": [1e40], "value": [1.0], "round": [None]}, r"\$\.time\[0\]"),
        ({"series": [{"name": "a b"}]}, r"\$\.series\[0\]\.name"),
    ],
)
def test_columns_that_do_not_fit_are_refused_naming_the_field(
    columns: dict[str, object], message: str
) -> None:
    wire = msgspec.json.encode({"series": [{"name": "x"}]} | columns)
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(wire, type=SampleColumns)


def test_a_shipment_survives_the_wire() -> None:
    sent = Shipment(
        "r-1",
        3,
        1,
        [
            Batch(
                SampleColumns([Series("x", {"run": "r-1"})], [0], [7], [0.5], [3]),
                [Event(7, "federated", "ROUND_COMPLETED", "r-1", 3, None, {"a": [1, None]})],
                [Span("r-1", 3, None, "aggregate", 5, 7)],
            )
        ],
    )
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Shipment) == sent


def test_equal_series_have_equal_text_whatever_the_order_of_labels() -> None:
    assert series_key("x", {"b": '"', "a": "1"}) == 'x{a="1",b="\\""}'
    assert series_key("x", {"a": "1", "b": '"'}) == 'x{a="1",b="\\""}'
