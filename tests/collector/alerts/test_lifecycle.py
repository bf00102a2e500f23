from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.alerts.alert import AlertRecord
from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.lifecycle import EVIDENCE_BYTES, Holding, begun, bounded, followed
from tests.collector.alerts.findings import SECOND, START, right, wrong

AT_ONCE = Holding()


def after(*findings: Finding, holding: Holding = AT_ONCE) -> AlertRecord | None:
    record: AlertRecord | None = None
    for at, finding in enumerate(findings, 1):
        seen = max(one.time for one in findings[:at])
        record = followed(record, finding, holding, seen)
    return record


def state_after(*findings: Finding, holding: Holding = AT_ONCE) -> str:
    record = after(*findings, holding=holding)
    return "none" if record is None else record.state


def test_what_is_wrong_fires_at_once() -> None:
    record = after(wrong(1, current_value=0.4, baseline=0.6))
    assert record is not None
    assert (record.state, record.started, record.fired) == (
        "firing",
        START + SECOND,
        START + SECOND,
    )
    assert (record.current_value, record.baseline, record.threshold) == (0.4, 0.6, None)


def test_what_is_right_begins_nothing() -> None:
    assert state_after(right(1)) == "none"


def test_what_is_right_again_is_resolved() -> None:
    record = after(wrong(1), wrong(2, current_value=0.3), right(3, current_value=0.9))
    assert record is not None
    assert (record.state, record.resolved, record.count) == ("resolved", START + 3 * SECOND, 2)
    assert record.current_value == 0.3  # what was wrong, not what is right


def test_it_is_pending_until_it_held() -> None:
    ten = Holding(seconds=10)
    assert state_after(wrong(0), wrong(9.9), holding=ten) == "pending"
    assert state_after(wrong(0), wrong(10), holding=ten) == "firing"
    assert state_after(wrong(0), right(5), holding=ten) == "none"
    assert state_after(wrong(0), right(5), wrong(10), holding=ten) == "pending"


def test_it_is_pending_until_it_was_found_often_enough() -> None:
    thrice = Holding(count=3)
    assert state_after(wrong(0), wrong(1), holding=thrice) == "pending"
    assert state_after(wrong(0), wrong(1), wrong(2), holding=thrice) == "firing"


def test_it_goes_on_until_it_was_right_for_long_enough() -> None:
    slow = Holding(clear_seconds=10)
    assert state_after(wrong(0), right(1), right(10), holding=slow) == "firing"
    assert state_after(wrong(0), right(1), right(11), holding=slow) == "resolved"
    assert state_after(wrong(0), right(1), wrong(5), right(11), holding=slow) == "firing"


def test_what_comes_late_counts_and_changes_nothing_else() -> None:
    record = after(wrong(5, current_value=1.0), wrong(3, current_value=2.0), right(4))
    assert record is not None
    assert (record.state, record.count, record.current_value) == ("firing", 2, 1.0)


def test_who_acknowledged_it_stays() -> None:
    first = after(wrong(0))
    assert first is not None
    seen = AlertRecord(**{**_fields(first), "acknowledged_by": "ann", "acknowledged_at": 7})
    again = followed(seen, wrong(1), AT_ONCE, START)
    assert again is not None
    assert (again.acknowledged_by, again.acknowledged_at) == ("ann", 7)


def _fields(record: AlertRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_too_much_evidence_is_told_by_its_size() -> None:
    assert bounded({"scores": [1, 2]}) == {"scores": [1, 2]}
    assert bounded({"a": "x" * EVIDENCE_BYTES}) == {"too_large_bytes": EVIDENCE_BYTES + 8}
    assert len(begun(wrong(message="x" * 5000), 0).message) == 1000


def test_a_figure_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite or None"):
        wrong(current_value=float("nan"))
    with pytest.raises(ValueError, match="finite or None"):
        wrong(expected_range=(0.0, float("inf")))


LOOKS = st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=30)
HOLDINGS = st.builds(
    Holding, st.integers(0, 20).map(float), st.integers(1, 4), st.integers(0, 20).map(float)
)


@given(LOOKS, HOLDINGS)
def test_whatever_is_found_an_alerts_times_are_in_order(
    looks: list[tuple[bool, int]], holding: Holding
) -> None:
    record: AlertRecord | None = None
    for active, at in looks:
        found = wrong(at) if active else right(at)
        if record is not None and record.state == "resolved":
            record = None
        record = followed(record, found, holding, found.time)
        if record is None:
            continue
        assert (record.fired is None) == (record.state == "pending")
        assert (record.resolved is not None) == (record.state == "resolved")
        times = [record.started, record.fired, record.resolved]
        known = [time for time in times if time is not None]
        assert known == sorted(known)
        assert 1 <= record.count <= len(looks)


def test_a_clock_that_was_ahead_holds_no_alert_up() -> None:
    day = 86_400.0
    ahead = followed(None, wrong(day), AT_ONCE, START)
    assert ahead is not None
    again = followed(ahead, wrong(1, current_value=0.3), AT_ONCE, START + SECOND)
    assert again is not None
    assert (again.time, again.started, again.current_value) == (START + SECOND, START + SECOND, 0.3)
    over = followed(again, right(2), AT_ONCE, START + 2 * SECOND)
    assert over is not None
    assert over.state == "resolved"
    at_once = followed(ahead, right(1), AT_ONCE, START + SECOND)
    assert at_once is not None
    assert at_once.state == "resolved"
