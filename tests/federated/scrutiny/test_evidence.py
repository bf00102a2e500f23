from fedsight.federated.scrutiny.evidence import SUSPECTED, Evidence
from fedsight.federated.scrutiny.outliers import Look


def add(found: Evidence, score: float | None, node: str = "client-1") -> tuple[bool, bool]:
    known = found.add(node, Look(1.0, score=score))
    return (False, False) if known is None else (known.suspected, known.changed)


def test_one_odd_round_names_nobody() -> None:
    found = Evidence()
    assert add(found, 4.9) == (False, False)
    assert add(found, 0.1) == (False, False)


def test_who_is_odd_in_every_round_is_named_once_and_cleared_once() -> None:
    found = Evidence()
    told = [add(found, 5.0) for _ in range(3)]
    assert told == [(True, True), (True, False), (True, False)]
    after = [add(found, 0.0) for _ in range(6)]
    assert [changed for _, changed in after].count(True) == 1
    assert after[-1] == (False, False)


def test_a_node_that_is_always_a_little_odd_is_never_named() -> None:
    found = Evidence()
    assert not any(add(found, SUSPECTED - 0.1)[0] for _ in range(200))


def test_a_round_that_says_nothing_changes_nothing() -> None:
    found = Evidence()
    assert found.add("client-1", Look(1.0)) is None
    add(found, 5.0)
    known = found.add("client-1", Look(1.0))
    assert known is not None
    assert (known.rounds, known.score, known.suspected, known.changed) == (1, 2.5, True, False)


def test_what_is_known_outlives_the_process() -> None:
    found = Evidence()
    add(found, 5.0)
    add(found, 1.0, "client-2")
    again = Evidence()
    again.load(found.state())
    assert again.of("client-1") == found.of("client-1")
    assert list(again.suspects()) == ["client-1"]
    assert add(again, 5.0) == add(found, 5.0)


def test_memory_is_bounded() -> None:
    found = Evidence(most=3)
    for at in range(5):
        add(found, 1.0, f"client-{at}")
    assert [found.of(f"client-{at}") is None for at in range(5)] == [
        True,
        True,
        False,
        False,
        False,
    ]
