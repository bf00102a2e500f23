"""Verifying over HTTP with the anchors that a real collector keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fedsight.policy.audit import Anchor
from fedsight.policy.audit.witness import event
from fedsight.policy.service.anchoring import AnchorsUnknownError, Witnessing
from fedsight.signals import Batch
from tests.collector.server import Server
from tests.policy.service.served import GOOD, Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("collector")) as one:
        yield one


def verified(served: Served, decisions: int = 1) -> dict[str, Any]:
    with served.client() as http:
        for _ in range(decisions):
            assert http.post("/check/client_eligibility", json=dict(GOOD)).json()["allowed"]
        found: dict[str, Any] = http.get("/api/v1/audit/verify").json()
    return found


def heads(served: Served) -> list[Batch]:
    """The signed heads as the collector's monitor takes them."""
    with served.client() as http:
        told = http.get("/events").json()["events"]
    details = [one["details"] for one in told if one["event_type"] == "AUDIT_ANCHOR"]
    return [Batch(events=[event(msgspec.convert(one, Anchor))]) for one in details]


def test_a_trail_that_was_rolled_back_with_its_head_is_seen(
    tmp_path: Path, collector: Server
) -> None:
    data, before = tmp_path / "data", tmp_path / "before"
    witness = Witnessing(collector.url, collector.token)
    served = Served(data, witness=witness)
    found = verified(served)
    assert (found["ok"], found["anchors"], found["anchored"]) == (True, "none", None)
    collector.send("one", heads(served))
    found = verified(served, 0)
    assert (found["ok"], found["anchors"], found["anchored"]) == (True, "checked", found["last"])
    served.close()
    shutil.copytree(data / "audit", before)
    served = Served(data, witness=witness)
    assert verified(served, 3)["ok"]
    collector.send("two", heads(served))
    served.close()
    shutil.rmtree(data / "audit")
    shutil.copytree(before, data / "audit")
    served = Served(data, witness=witness)
    found = verified(served, 0)
    served.close()
    assert not found["ok"]
    assert "was removed: the trail ends before it" in found["what"]


def test_a_collector_that_does_not_tell_leaves_it_unknown(
    tmp_path: Path, collector: Server
) -> None:
    nobody = Served(tmp_path / "nobody", witness=Witnessing("http://127.0.0.1:9", "t"))
    found = verified(nobody)
    nobody.close()
    assert (found["ok"], found["anchors"], found["anchored"]) == (True, "unknown", None)
    assert "did not tell its anchors" in found["anchors_why"]
    alone = Served(tmp_path / "alone")
    assert verified(alone)["anchors_why"] == "no collector is asked"
    # Another service that answers, and one that asks for a token.
    with pytest.raises(AnchorsUnknownError, match=r"answered 404|did not tell"):
        Witnessing(alone.address, "t").anchors()
    alone.close()
    with pytest.raises(AnchorsUnknownError, match="in the clear"):
        Witnessing("http://192.0.2.1:80", "t")._shown()
