"""What is at hand is answered without a file, a lock or a thread being waited for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.collector.store import manifest, search
from fedsight.collector.store.contract import NAME_LABEL, Matcher, Points, Selection
from fedsight.signals import Sample
from tests.collector.store.kept_store import KeptStore

SECOND = 10**9
START = 1_795_341_120 * SECOND


def some(name: str, first: int = 0, count: int = 50) -> list[Sample]:
    return [Sample(START + at * SECOND, name, at / 4) for at in range(first, first + count)]


def of(name: str, seconds: int = 1000) -> Selection:
    return Selection((Matcher(NAME_LABEL, "=", name),), START, START + seconds * SECOND)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path)
    opened.send([*some("a"), *some("b")])
    yield opened
    opened.close()


def asked(kept: KeptStore, selection: Selection) -> list[Points]:
    found: list[Points] = kept.ask(lambda samples: list(samples.points(selection, 10_000)))
    return found


def at_hand(kept: KeptStore, selection: Selection) -> list[Points] | None:
    def points(snapshot: object) -> list[Points] | None:
        found = kept.archive.at_hand(snapshot, selection)  # type: ignore[arg-type]
        return None if found is None else list(found.points(selection, 10_000))

    return kept.store.readers.ask_now(points)


def values(points: list[Points] | None) -> list[float] | None:
    return None if points is None else [v for each in points for v in each.value.tolist()]


def test_hot_samples_are_at_hand_once_they_were_read(kept: KeptStore) -> None:
    assert at_hand(kept, of("a")) is None
    whole = values(asked(kept, of("a")))
    assert values(at_hand(kept, of("a"))) == whole
    assert at_hand(kept, of("b")) is None  # nobody looked which series that is
    kept.send(some("a", 50, 10))
    assert at_hand(kept, of("a")) is None
    assert len(values(asked(kept, of("a"))) or []) == 60
    assert len(values(at_hand(kept, of("a"))) or []) == 60


def test_sealed_samples_are_at_hand_once_they_are_kept(kept: KeptStore) -> None:
    kept.upkeep.seal()
    whole = [values(asked(kept, of("a"))) for _ in range(3)]
    assert values(at_hand(kept, of("a"))) == whole[0] == whole[2]
    kept.archive.sealed.close()
    assert at_hand(kept, of("a")) is None


def test_a_new_series_is_learnt_elsewhere(kept: KeptStore) -> None:
    asked(kept, of("a"))
    kept.send(some("c", count=1))
    kept.upkeep.seal()
    assert at_hand(kept, of("a")) is None


def test_much_is_not_at_hand(kept: KeptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.upkeep.seal()
    for _ in range(3):
        asked(kept, of("a"))
    monkeypatch.setattr(search, "AT_HAND", 10)
    assert at_hand(kept, of("a")) is None
    assert values(at_hand(kept, of("a", seconds=5))) == [0, 0.25, 0.5, 0.75, 1]
    assert kept.store.readers.ask_now(lambda snapshot: kept.archive.hot.holds(snapshot, 0))
    kept.send(some("a", 100, 2))
    asked(kept, of("a"))
    assert not kept.store.readers.ask_now(lambda snapshot: kept.archive.hot.holds(snapshot, 1))


def test_what_is_at_hand_is_what_is_read(kept: KeptStore) -> None:
    both = Selection((Matcher(NAME_LABEL, "=~", "a|b"),), START + 3 * SECOND, START + 60 * SECOND)

    def same() -> list[float]:
        for _ in range(3):
            read = asked(kept, both)
        near = at_hand(kept, both)
        assert near is not None
        for one, other in zip(near, read, strict=True):
            assert one.series == other.series
            assert one.time.tolist() == other.time.tolist()
            assert one.value.tolist() == other.value.tolist()
            assert one.time.flags.writeable, "it is the caller's own"
        return near[0].value.tolist()

    kept.upkeep.seal()
    first = same()
    assert first == [at / 4 for at in range(3, 50)]
    kept.send([Sample(START + 4 * SECOND, "a", -1.0), *some("a", 50, 5)])
    assert same() == [first[0], -1.0, *first[2:], *(at / 4 for at in range(50, 55))]
    kept.upkeep.seal()
    kept.send([Sample(START + 5 * SECOND, "a", -2.0), *some("b", 50, 5)])
    again = same()
    assert again[:4] == [first[0], -1.0, -2.0, first[3]]
    kept.upkeep.seal()
    assert same() == again
    kept.upkeep.merge(manifest.raw(kept.segments()))
    assert same() == again
