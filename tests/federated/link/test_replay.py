"""Signatures that were seen, and for how long they are remembered."""

from __future__ import annotations

from fedsight.federated.link.identity import Identity, fresh
from fedsight.federated.link.replay import WINDOW_SECONDS, Seen


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def asks(seen: Seen, headers: dict[str, str]) -> bool:
    key, timestamp, signature = headers.values()
    return seen.first_time(key, timestamp, signature)


def test_each_signature_is_good_for_once() -> None:
    seen, node, other = Seen(), fresh(), fresh()
    headers = node.signed()
    assert asks(seen, headers)
    assert not asks(seen, headers)
    assert asks(seen, node.signed())
    assert asks(seen, other.signed())


def test_two_requests_of_one_moment_are_two() -> None:
    seen, node = Seen(), fresh()
    one, two = node.signed(), signed_at(node, node.signed())
    assert asks(seen, one)
    assert asks(seen, two)


def signed_at(node: Identity, like: dict[str, str]) -> dict[str, str]:
    """Another signature of the same time: its r is a new random number."""
    names = list(like)
    return {names[0]: like[names[0]], names[1]: like[names[1]], names[2]: node.signed()[names[2]]}


def test_it_is_remembered_for_as_long_as_flower_takes_it() -> None:
    time = Time()
    seen, node = Seen(time), fresh()
    headers = node.signed()
    assert asks(seen, headers)
    time.now += WINDOW_SECONDS - 1
    assert not asks(seen, headers)
    time.now += 2
    assert not asks(seen, headers)
    time.now += WINDOW_SECONDS
    assert asks(seen, headers)


def test_memory_is_bounded() -> None:
    seen, node = Seen(most=10), fresh()
    first = node.signed()
    assert asks(seen, first)
    for _ in range(25):
        assert asks(seen, node.signed())
    assert asks(seen, first)  # forgotten
