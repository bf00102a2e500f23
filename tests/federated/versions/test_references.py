from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import Metrics, ModelStore, RunKeeper, TagBook
from fedsight.federated.versions.names import Version
from fedsight.federated.versions.references import resolve
from tests.federated.versions.made import state, store_with


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Runs r-1 (three rounds, the third the best of all) and r-22 (one, the latest)."""
    store = store_with(tmp_path)
    RunKeeper(store, "r-22", "toy", 1).keep(1, state(), Metrics(0.05, 1.0))
    book = TagBook(store)
    book.tag(Version("r-1", 2), "baseline")
    book.promote(Version("r-1", 1))
    return store


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("r-1/2", "r-1/2"),
        ("latest", "r-22/1"),
        ("best", "r-1/3"),
        ("r-1/latest", "r-1/3"),
        ("r-22/best", "r-22/1"),
        ("r-2/1", "r-22/1"),
        ("baseline", "r-1/2"),
        ("production", "r-1/1"),
    ],
)
def test_a_reference_means_one_version(store: ModelStore, text: str, name: str) -> None:
    assert resolve(store, TagBook(store).read(), text).version == name


@pytest.mark.parametrize(
    "text",
    [
        *("../x", "../r-1/1", "/etc/passwd", "r-1/../1", "r-1/1/1", "r-1/01", "r-1/0", "r-1/-1"),
        *("r-1\0/1", "r-1/1\0", "r-1/1\n", "\0", "", "/", "r-1/", "/1", "r-1/99", "r-9/1", "r-/1"),
        *("absent", "r-1/" + "9" * 5000, "é/1", "r-1/²"),
    ],
)
def test_what_means_no_version_is_refused(store: ModelStore, text: str) -> None:
    with pytest.raises(UsageError):
        resolve(store, TagBook(store).read(), text)


def test_a_version_without_figures_is_no_best(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    RunKeeper(store, "r-1", "toy", 1).keep(1, state(), Metrics(None, None))
    with pytest.raises(UsageError, match="no best model of run r-1: neither accuracy nor loss"):
        resolve(store, TagBook(store).read(), "r-1/best")
    with pytest.raises(UsageError, match="there is no model"):
        resolve(ModelStore(tmp_path / "absent"), TagBook(store).read(), "latest")


def test_a_damaged_manifest_is_named(store: ModelStore) -> None:
    store.manifest_file(Version("r-1", 2)).write_text("{")
    with pytest.raises(ModelError, match="model r-1/2 is damaged: its manifest cannot be read"):
        resolve(store, TagBook(store).read(), "baseline")
