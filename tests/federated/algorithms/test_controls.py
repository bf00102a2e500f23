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
    first = one.shown()["a"]
    for value in (2, 3, 4):
        one.write("a", [vector(value, value, value)])
        assert first.tolist() == [1.0, 1.0, 1.0]
    assert one.shown()["a"].tolist() == [4.0, 4.0, 4.0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.booleans()), max_size=40))
def test_it_is_a_dictionary_whose_snapshots_last(steps: list[tuple[str, int, bool]]) -> None:
    one, expected = controls(), dict[str, int]()
    shown, then = dict[str, np.ndarray](), dict[str, int]()  # type: ignore[type-arg]
    for name, value, show in steps:
        one.write(name, [vector(value, value, value)])
        expected[name] = value
        if show:
            shown, then = dict(one.shown()), dict(expected)
        assert {key: one.read(key, 0, 1)[0] for key in expected} == expected
        assert {key: array[0] for key, array in shown.items()} == then
    assert one._made <= 2 * 3 + 1
