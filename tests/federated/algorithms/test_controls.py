import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsight.federated.algorithms.controls import Controls
from tests.federated.algorithms.replies import vector


def controls() -> Controls:
    return Controls(3, np.dtype(np.float32))


def test_a_node_without_one_has_zeros() -> None:
    one = controls()
    assert one.read("a", 0, 3).tolist() == [0.0, 0.0, 0.0]
    assert "a" not in one


def test_parts_are_written_one_after_the_other_and_read_anywhere() -> None:
    one = controls()
    one.write("a", [vector(1, 2), vector(3)])
    one.write("b", [vector(4, 5, 6)])
    one.keep()
    assert one.read("a", 1, 3).tolist() == [2.0, 3.0]
    assert one.read("b", 0, 1).tolist() == [4.0]
    assert len(one) == 2


def test_the_old_vector_can_be_read_while_the_new_one_is_written() -> None:
    one = controls()
    one.write("a", [vector(1, 2, 3)])
    one.write("a", (one.read("a", at, at + 1) * 2 for at in range(3)))
    assert one.read("a", 0, 3).tolist() == [2.0, 4.0, 6.0]


def test_what_was_shown_stays_until_it_is_shown_again() -> None:
    one = controls()
    one.write("a", [vector(1, 1, 1)])
    one.keep()
    first = one.shown()["a"]
    for value in (2, 3, 4):
        one.write("a", [vector(value, value, value)])
        one.keep()
        assert first.tolist() == [1.0, 1.0, 1.0]
    assert one.shown()["a"].tolist() == [4.0, 4.0, 4.0]


def test_drafts_that_are_dropped_leave_what_was_before_and_no_row_behind() -> None:
    one = controls()
    one.write("a", [vector(1, 1, 1)])
    one.keep()
    for value in (2, 3):
        one.write("a", [vector(value, value, value)])
        one.write("b", [vector(value, value, value)])
        assert one.read("a", 0, 1).tolist() == [value]
        one.drop()
    assert one.read("a", 0, 1).tolist() == [1.0]
    assert (len(one), "b" in one, one._made) == (1, False, 3)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_it_is_a_dictionary_whose_snapshots_last(steps: list[tuple[str, int, bool, bool]]) -> None:
    one, expected = controls(), dict[str, int]()
    shown, then = dict[str, np.ndarray](), dict[str, int]()  # type: ignore[type-arg]
    for name, value, show, drop in steps:
        one.write(name, [vector(value, value, value)])
        if drop:
            one.drop()
        else:
            one.keep()
            expected[name] = value
        if show:
            shown, then = dict(one.shown()), dict(expected)
        assert {key: one.read(key, 0, 1)[0] for key in expected} == expected
        assert {key: array[0] for key, array in shown.items()} == then
    assert one._made <= 2 * 3 + 1
