from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.policy.trust import WEIGHTS, TrustBook, TrustRule
from tests.policy.asked import HOUR, NOON

DAY = 24 * HOUR


def test_who_is_not_known_has_the_initial_score() -> None:
    assert TrustBook().score("a", NOON) == 0.5
    assert TrustBook(TrustRule(initial=0.2)).score("a", NOON) == 0.2


def test_the_score_is_the_formulas() -> None:
    book = TrustBook()
    for _ in range(4):
        book.note("a", "answered", NOON)
    assert book.score("a", NOON) == (4 + 4 * 0.5) / (4 + 4)
    book.note("a", "suspected", NOON)
    assert book.score("a", NOON) == (4 + 4 * 0.5) / (4 + 3 + 4)


def test_evidence_halves_in_a_half_life_and_fades_to_the_initial_score() -> None:
    book = TrustBook(TrustRule(half_life_seconds=86_400))
    for _ in range(8):
        book.note("a", "failed", NOON)
    assert book.score("a", NOON) == pytest.approx(2 / 12)
    assert book.score("a", NOON + DAY) == pytest.approx(2 / 8)
    assert book.score("a", NOON + 2 * DAY) == pytest.approx(2 / 6)
    assert book.score("a", NOON + 40 * DAY) == pytest.approx(0.5)


def test_a_clock_that_was_set_back_fades_nothing() -> None:
    book = TrustBook()
    book.note("a", "failed", NOON)
    before = book.score("a", NOON)
    assert book.score("a", NOON - 5 * DAY) == before
    change = book.note("a", "answered", NOON - DAY)
    assert change.before == before
    assert book.score("a", NOON) == pytest.approx(0.5)


def test_every_change_is_an_event_with_its_cause() -> None:
    change = TrustBook().note("a", "silent", NOON, run="r-1", round=5, note="no reply")
    event = change.event()
    assert (event.kind, event.node, event.run, event.round) == ("TRUST_CHANGED", "a", "r-1", 5)
    assert event.details == {
        "cause": "silent",
        "before": 0.5,
        "after": 0.4,
        "weight": -1.0,
        "note": "no reply",
    }


@pytest.mark.parametrize(
    "wrong", [{"initial": 1.1}, {"prior_weight": 0}, {"half_life_seconds": -1}, {"initial": -0.1}]
)
def test_a_rule_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        TrustRule(**wrong)


EVIDENCE = st.lists(
    st.tuples(
        st.sampled_from(sorted(set(WEIGHTS) - {"reset"})),
        st.floats(0, 1),
        st.integers(-5 * DAY, 50 * DAY),
    ),
    max_size=40,
)


@given(EVIDENCE)
def test_a_score_is_always_within_its_bounds(evidence: list[tuple[str, float, int]]) -> None:
    book, now = TrustBook(), NOON
    for cause, share, passed in evidence:
        now = max(0, now + passed)
        before = book.score("a", now)
        change = book.note("a", cause, now, share=share)  # type: ignore[arg-type]
        assert 0 <= change.after <= 1
        assert change.before == before
        if WEIGHTS[cause] > 0:  # type: ignore[index]
            assert change.after >= change.before - 1e-12
        else:
            assert change.after <= change.before + 1e-12
