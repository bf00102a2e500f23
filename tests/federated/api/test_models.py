"""Model versions over HTTP, on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.federated.api.asked import Asked, asked
from tests.federated.versions.made import store_with


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Asked]:
    """A server in whose data directory run r-1 left three versions."""
    store_with(tmp_path)
    with asked(tmp_path) as fl:
        yield fl


def test_without_models_the_list_is_empty(fl: Asked) -> None:
    assert fl.get("/models") == {"models": [], "total": 0, "damaged": [], "production": None}
    assert fl.get("/models/latest", 404)["error"]["code"] == "not_found"


def test_versions_are_listed_newest_first_and_paged(kept: Asked) -> None:
    page = kept.get("/models?run=r-1&limit=2")
    assert [one["version"] for one in page["models"]] == ["r-1/3", "r-1/2"]
    assert (page["total"], page["damaged"]) == (3, [])
    newest = page["models"][0]
    assert (newest["task"], newest["metrics"]) == ("toy", {"accuracy": 0.3, "loss": 1 / 3})
    assert (newest["parent"], newest["tags"]) == ("r-1/2", [])
    assert "tensors" not in newest
    assert kept.get("/models?run=r-2", 404)["error"]["field"] == "run"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/models/r-1/2", "r-1/2"),
        ("/models/r-1/latest", "r-1/3"),
        ("/models/r-1/best", "r-1/3"),
        ("/models/latest", "r-1/3"),
        ("/models/best", "r-1/3"),
    ],
)
def test_a_version_is_found_by_any_of_its_names(kept: Asked, path: str, version: str) -> None:
    found = kept.get(path)
    assert found["version"] == version
    assert found["tensors"][0] == {"name": "0.weight", "shape": [2, 3], "dtype": "float32"}


@pytest.mark.parametrize(
    "path", ["/models/r-1/9", "/models/nobody", "/models/r-1/0", "/models/%2e%2e/1"]
)
def test_a_version_that_is_not_there_is_404(kept: Asked, path: str) -> None:
    assert kept.get(path, 404)["error"]["code"] == "not_found"


def test_two_versions_are_compared(kept: Asked) -> None:
    found = kept.get("/models/compare", params={"a": "r-1/1", "b": "latest"})
    assert (found["a"], found["b"], found["round_diff"], found["size_diff"]) == (
        "r-1/1",
        "r-1/3",
        2,
        kept.get("/models/r-1/3")["size"] - kept.get("/models/r-1/1")["size"],
    )
    assert found["accuracy_diff"] == pytest.approx(0.2)
    assert found["loss_diff"] == pytest.approx(1 / 3 - 1)
    assert kept.get("/models/compare?a=r-1/1", 422)["error"]["field"] == "b"


def test_a_tag_is_given_and_moved_only_on_purpose(kept: Asked) -> None:
    found = kept.post("/models/r-1/1/tag", {"tag": "baseline"}, 200)
    assert found == {"version": "r-1/1", "tag": "baseline", "before": None}
    assert kept.get("/models/baseline")["tags"] == ["baseline"]
    refused = kept.error("/models/r-1/2/tag", {"tag": "baseline"}, 409)
    assert refused["field"] == "tag"
    assert refused["message"] == ("'baseline' is a tag of r-1/1 already; \"move\": true moves it")
    moved = kept.post("/models/r-1/2/tag", {"tag": "baseline", "move": True}, 200)
    assert moved["before"] == "r-1/1"
    for name in ("", "a/b", "latest", "production", "x" * 65):
        assert kept.error("/models/r-1/1/tag", {"tag": name}, 422)["field"] == "tag"
    assert kept.error("/models/r-1/9/tag", {"tag": "x"}, 404)["code"] == "not_found"


def test_promotion_and_the_way_back(kept: Asked) -> None:
    assert kept.error("/models/rollback", {}, 409)["code"] == "conflict"
    first = kept.post("/models/r-1/1/promote", {}, 200)
    assert first == {"version": "r-1/1", "tag": "production", "before": None}
    assert kept.post("/models/r-1/best/promote", {}, 200)["before"] == "r-1/1"
    assert kept.get("/models")["production"] == "r-1/3"
    assert kept.post("/models/rollback", {}, 200) == {
        "version": "r-1/1",
        "tag": "production",
        "before": "r-1/3",
    }
    assert kept.get("/models/production")["version"] == "r-1/1"
    kinds = [one["event_type"] for one in kept.get("/events")["events"]]
    assert kinds == ["SERVER_START", "MODEL_PROMOTED", "MODEL_PROMOTED", "MODEL_ROLLED_BACK"]


def test_a_damaged_version_is_named_and_not_promoted(kept: Asked, tmp_path: Path) -> None:
    file = tmp_path / "models" / "r-1" / "2.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    refused = kept.error("/models/r-1/2/promote", {}, 409)
    assert refused["code"] == "damaged"
    assert "r-1/2 is damaged: the SHA-256" in refused["message"]
    (tmp_path / "models" / "r-1" / "3.json").write_text("{")
    page = kept.get("/models")
    assert [one["version"] for one in page["damaged"]] == ["r-1/3"]
    assert page["total"] == 2


def test_a_damaged_book_of_tags_shows_in_health(kept: Asked, tmp_path: Path) -> None:
    (tmp_path / "models" / "tags.json").write_text("{")
    health = kept.get("/health")
    assert health["status"] == "degraded"
    assert "tags.json is damaged" in health["components"]["models"]["error"]
