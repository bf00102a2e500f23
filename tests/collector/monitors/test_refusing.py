"""What the store refuses is left out by itself."""

from __future__ import annotations

import pytest

from fedsight.collector.monitors.refusing import refusal, without
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Batch, Event, Sample, batch, samples_of

SAMPLES = [Sample(at, "x", float(at), None, {"at": str(at % 2)}) for at in range(4)]
EVENTS = [Event(at, "x", f"E{at}") for at in range(3)]
FOUND = batch(SAMPLES, EVENTS)


def test_an_event_that_is_named_goes_alone() -> None:
    left = without(BadFieldError("own.events[1].details.state", "no"), FOUND)
    assert [event.kind for event in left.events] == ["E0", "E2"]
    assert len(left.samples) == 4


def test_a_sample_that_is_named_goes_alone() -> None:
    left = without(BadFieldError("own.samples.value[2]", "no"), FOUND)
    assert samples_of(left.samples) == [SAMPLES[0], SAMPLES[1], SAMPLES[3]]
    assert left.events == EVENTS


@pytest.mark.parametrize("field", ["own", "body", "own.spans[1]", "own.events[x]", ""])
def test_where_nothing_is_named_all_goes(field: str) -> None:
    assert without(BadFieldError(field, "no"), FOUND) == Batch()


def test_it_is_told_what_was_left_out() -> None:
    event = refusal(BadFieldError("own.events[1]", "must be so"), "fl_server", 5)
    assert (event.kind, event.time) == ("RECORD_REFUSED", 5)
    assert event.details == {
        "monitor": "fl_server",
        "field": "own.events[1]",
        "message": "must be so",
    }
