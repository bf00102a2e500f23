import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.federated.observation import NodeRound, Period, RoundRecord, Turn
from fedsight.federated.runs.state import State, joined, part
from fedsight.federated.selection.history import Known, met, noted, packed, unpacked
from tests.federated.selection.made import record


def test_a_round_is_noted() -> None:
    before = {"client-0": Known(last=1, times=1, loss=2.0, samples=5)}
    after = noted(before, record(3, {0: {"train_loss": 1.5, "samples": 6}, 1: {}}))
    assert after == {
        "client-0": Known(last=3, times=2, loss=1.5, samples=6),
        "client-1": Known(last=3, times=1, failures=1, failing=1),
    }
    assert before["client-0"].loss == 2.0


def test_a_failure_keeps_the_figures_and_a_success_ends_the_row_of_failures() -> None:
    history = noted({}, record(1, {0: {"train_loss": 2.0, "samples": 5, "train_seconds": 1.0}}))
    history = noted(noted(history, record(2, {0: {}})), record(3, {0: {}}))
    assert history["client-0"] == Known(3, 3, 2, 2, loss=2.0, seconds=1.0, samples=5)
    history = noted(history, record(4, {0: {"train_loss": 1.0, "samples": 5}}))
    assert history["client-0"] == Known(4, 4, 2, 0, loss=1.0, seconds=1.0, samples=5)


def test_a_rejected_update_tells_how_long_it_took_and_no_more() -> None:
    told = {"status": "rejected", "train_loss": 9.0, "samples": 5, "train_seconds": 2.0}
    assert noted({}, record(1, {0: told}))["client-0"] == Known(1, 1, 1, 1, seconds=2.0)


def test_the_whole_turn_counts_where_it_is_known() -> None:
    turn = Turn(Period(0, 10**9), None, Period(4 * 10**9, 5 * 10**9))
    node = NodeRound("a", "trained", turn=turn, train_seconds=1.0)
    assert noted({}, RoundRecord("r-1", 1, 0, 1, [node]))["a"].seconds == 5.0
    node = NodeRound("a", "trained", turn=Turn(), train_seconds=1.0)
    assert noted({}, RoundRecord("r-1", 1, 0, 1, [node]))["a"].seconds == 1.0


def test_nodes_are_met_once() -> None:
    history = met({}, 1, ["a", "b"])
    assert history == {"a": Known(last=0), "b": Known(last=0)}
    assert met(history, 7, ["a", "c"]) == {**history, "c": Known(last=6)}


figures = st.none() | st.floats(allow_nan=False, allow_infinity=False)
known = st.builds(
    Known,
    *[st.integers(0, 2**40)] * 4,
    loss=figures,
    accuracy=figures,
    seconds=figures,
    samples=st.none() | st.integers(0, 2**40),
)


@given(st.dictionaries(st.text(max_size=20), known, max_size=5))
def test_a_history_survives_a_checkpoint(history: dict[str, Known]) -> None:
    kept = joined({"selection": packed(history)})
    assert unpacked(part(kept, "selection")) == history


@pytest.mark.parametrize(
    "state",
    [
        State({"nodes": ["a"]}),
        State({"nodes": 3}, packed({}).arrays),
        State({"nodes": ["a"]}, packed({}).arrays),
        State({}, {"loss": np.zeros(1)}),
    ],
)
def test_the_state_of_something_else_is_refused(state: State) -> None:
    with pytest.raises(ValueError, match="not the state of a selection"):
        unpacked(state)
