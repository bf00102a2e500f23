from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.alerts.words import figure, named


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1e6, "1,000,000"),
        (2800.0, "2,800"),
        (-0.0625, "-0.0625"),
        (0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (1234567.8, "1,234,568"),
        (1e20, "1e+20"),
        (1e-9, "1e-09"),
        (0.9999999, "1"),
    ],
)
def test_figures_as_people_write_them(value: float, said: str) -> None:
    assert figure(value) == said


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_figure_is_what_it_says(value: float) -> None:
    said = float(figure(value).replace(",", ""))
    assert said == pytest.approx(value, rel=1e-5, abs=1e-300)


def test_a_series_in_words() -> None:
    assert named("a", {"run": "r", "node": "n"}) == "a (run r, node n)"
    assert named("a", {}) == "a"
