from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import ModelStore, TagBook
from fedsight.federated.versions.names import Version
from fedsight.federated.versions.tags import MOST_PROMOTIONS
from tests.federated.versions.made import store_with

ONE, TWO, THREE = (Version("r-1", at) for at in (1, 2, 3))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return store_with(tmp_path)


@pytest.fixture
def book(store: ModelStore) -> TagBook:
    return TagBook(store)


def test_a_tag_is_unique_and_moves_only_when_told(book: TagBook) -> None:
    assert book.tag(ONE, "baseline") is None
    assert book.tag(ONE, "baseline") is None
    with pytest.raises(UsageError, match="'baseline' is a tag of r-1/1 already; --force moves it"):
        book.tag(TWO, "baseline")
    assert book.read().of("r-1/1") == ["baseline"]
    assert book.tag(TWO, "baseline", move=True) == "r-1/1"
    assert book.read().tags == {"baseline": "r-1/2"}
    assert book.untag("baseline") == "r-1/2"
    with pytest.raises(UsageError, match="no tag 'baseline'; there are none"):
        book.untag("baseline")


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "a\0b", "", "-f", ".x", "x y", "latest", "best", "x" * 65]
)
def test_a_name_that_is_no_tag_is_refused(book: TagBook, name: str) -> None:
    with pytest.raises(UsageError):
        book.tag(ONE, name)
    assert book.read().tags == {}


def test_promotions_are_gone_back_one_by_one(book: TagBook) -> None:
    with pytest.raises(UsageError, match="no version was promoted yet"):
        book.rollback()
    assert [book.promote(each) for each in (ONE, TWO, TWO, THREE)] == [
        None,
        "r-1/1",
        "r-1/2",
        "r-1/2",
    ]
    assert book.read().named() == {"production": "r-1/3"}
    assert book.read().held() == {"r-1/1", "r-1/2", "r-1/3"}
    assert book.rollback() == ("r-1/3", "r-1/2")
    assert book.rollback() == ("r-1/2", "r-1/1")
    with pytest.raises(UsageError, match="no version was promoted before r-1/1"):
        book.rollback()
    assert book.read().production == "r-1/1"


def test_the_history_of_promotions_is_bounded(book: TagBook) -> None:
    for at in range(MOST_PROMOTIONS + 5):
        book.promote((ONE, TWO)[at % 2])
    assert len(book.read().promoted) == MOST_PROMOTIONS


def test_production_is_moved_by_promotion_alone(book: TagBook) -> None:
    with pytest.raises(UsageError, match="moved by promote and rollback alone"):
        book.tag(ONE, "production")
    book.promote(ONE)
    assert book.untag("production") == "r-1/1"
    assert book.read().held() == frozenset()


def test_nothing_goes_back_to_a_damaged_version(store: ModelStore, book: TagBook) -> None:
    book.promote(ONE)
    book.promote(TWO)
    store.model_file(ONE).write_bytes(b"")
    with pytest.raises(ModelError, match="model r-1/1, promoted before, is damaged"):
        book.rollback()
    assert book.read().production == "r-1/2"


def test_what_is_gone_gets_no_tag(store: ModelStore, book: TagBook) -> None:
    with store.locked():
        store.remove([ONE])
    with pytest.raises(UsageError, match="no model r-1/1 any more"):
        book.tag(ONE, "late")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"tags": {"a": 1}}', b'{"tags": {"a": "../x/1"}}', b"\xff"]
)
def test_damaged_tags_are_named_and_kept(store: ModelStore, book: TagBook, text: bytes) -> None:
    path = store.folder / "tags.json"
    path.write_bytes(text)
    with pytest.raises(ModelError, match=r"tags\.json is damaged"):
        book.tag(ONE, "baseline")
    assert path.read_bytes() == text


TAGS = """
import sys
from pathlib import Path
from fedsight.federated.versions import ModelStore, TagBook
from fedsight.federated.versions.names import Version

book = TagBook(ModelStore(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    book.tag(Version("r-1", 1), f"{sys.argv[2]}-{number}")
"""


@pytest.mark.slow
def test_two_processes_that_tag_at_once_lose_nothing(store: ModelStore, book: TagBook) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TAGS, str(store.folder), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("left", "right")
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=60)
        assert process.returncode == 0
    expected = {f"{name}-{number}" for name in ("left", "right") for number in range(20)}
    assert set(book.read().tags) == expected
