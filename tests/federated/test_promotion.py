"""A model is promoted where policy lets it: asked with its real size, and recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fedsight.cli import models
from fedsight.errors import FedsightError
from fedsight.federated.deciding import ByService
from fedsight.federated.promotion import Promotions
from fedsight.federated.versions import ModelStore
from fedsight.federated.versions.references import resolve
from fedsight.federated.versions.tags import TagBook
from fedsight.policy import files
from fedsight.policy.audit import SigningKey, Trail
from fedsight.policy.remote import RemoteOverseer
from tests.federated.api.asked import asked
from tests.federated.versions.made import store_with
from tests.policy.service.served import Served

BOUND = """
@id("x.large") @reason("larger than production takes")
forbid (principal, action == FL::Action::"promoteModel", resource is FL::Model)
when {{ resource.size_bytes > {} }};
"""


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return store_with(tmp_path)


def refusal(data: Path, store: ModelStore) -> str | None:
    found = resolve(store, TagBook(store).read(), "r-1/2")
    return Promotions(data).refusal(found, "anna")


def size(data: Path) -> int:
    return (data / "models" / "r-1" / "2.safetensors").stat().st_size


def govern(data: Path, most: int) -> None:
    texts = files.default_texts() | {"own.cedar": BOUND.format(most)}
    files.write(data / "policy", texts)


def test_without_a_set_nothing_is_asked(tmp_path: Path, store: ModelStore) -> None:
    assert refusal(tmp_path, store) is None
    assert not (tmp_path / "audit").exists()


def test_the_files_size_decides_and_the_decision_is_recorded(
    tmp_path: Path, store: ModelStore
) -> None:
    govern(tmp_path, size(tmp_path))
    assert refusal(tmp_path, store) is None
    (tmp_path / "policy" / "own.cedar").write_text(BOUND.format(size(tmp_path) - 1))
    assert refusal(tmp_path, store) == "larger than production takes"
    (trail,) = (tmp_path / "audit").glob("*.jsonl")
    kept = [json.loads(line) for line in trail.read_text().splitlines()]
    asks = [one["body"] for one in kept if one["kind"] == "decision"]
    assert [one["allowed"] for one in asks] == [True, False]
    assert asks[0]["request"]["resource"]["attributes"] == {"size_bytes": size(tmp_path)}
    assert asks[0]["request"]["principal"]["id"] == "anna"


def test_what_cannot_be_asked_or_recorded_is_refused(tmp_path: Path, store: ModelStore) -> None:
    govern(tmp_path, size(tmp_path))
    key = SigningKey.open(tmp_path / "keys" / "audit")
    with Trail(tmp_path / "audit", key):  # of a run or a service beside it
        assert refusal(tmp_path, store) is None
    key_file = tmp_path / "keys" / "audit"
    key_file.chmod(0o640)
    assert "others may use the signing key" in (refusal(tmp_path, store) or "")
    key_file.chmod(0o600)
    (tmp_path / "policy" / "own.cedar").write_text("permit")
    assert refusal(tmp_path, store) is None  # the newest version that was right is in force
    shutil.rmtree(tmp_path / "policy" / ".versions")
    assert "could not be asked" in (refusal(tmp_path, store) or "")


def test_the_servers_route_asks_too(tmp_path: Path, store: ModelStore) -> None:
    govern(tmp_path, 1)
    with asked(tmp_path) as fl:
        refused = fl.error("/models/r-1/2/promote", {}, 403)
        assert refused["code"] == "policy"
        assert "larger than production takes" in refused["message"]
        assert fl.get("/models")["production"] is None
        (tmp_path / "policy" / "own.cedar").unlink()
        assert fl.post("/models/r-1/2/promote", {}, 200)["version"] == "r-1/2"


def test_a_service_that_is_named_decides_instead_and_records_it(
    tmp_path: Path, store: ModelStore
) -> None:
    govern(tmp_path, 1)  # the data directory's own set would refuse
    served = Served(tmp_path / "service", look_seconds=60.0)
    named = ByService(lambda: RemoteOverseer(served.address, served.token))
    found = resolve(store, TagBook(store).read(), "r-1/2")
    promotions = Promotions(tmp_path, named=named)
    try:
        assert promotions.refusal(found, "anna") is None
        (served.rules / "own.cedar").write_text(BOUND.format(1))
        while not served.service.deciding.force.look():
            pass
        assert promotions.refusal(found, "anna") == "larger than production takes"
        kept = served.service.deciding.decisions.newest()
    finally:
        served.close()
    assert [one.action for one in kept] == ["promoteModel"] * 2
    (trail,) = (tmp_path / "service" / "audit").glob("*.jsonl")
    records = [json.loads(line) for line in trail.read_text().splitlines()]
    asks = [one["body"]["request"] for one in records if one["kind"] == "decision"]
    about = asks[0]["resource"]
    assert (about["id"], about["attributes"]) == ("r-1/2", {"size_bytes": size(tmp_path)})
    assert (asks[0]["run"], asks[0]["round"]) == ("r-1", 2)
    assert not (tmp_path / "audit").exists()
    assert "could not be asked" in (promotions.refusal(found, "anna") or "")


def test_the_command_asks_the_set_that_is_named(
    tmp_path: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    govern(tmp_path / "elsewhere", 1)
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path))
    with pytest.raises(FedsightError, match="refused by policy: larger than production takes"):
        models.promote("r-1/2", str(tmp_path / "elsewhere" / "policy"))
    models.promote("r-1/2")  # the data directory itself is not governed
    assert TagBook(store).read().production == "r-1/2"
