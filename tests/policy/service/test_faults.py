"""What goes wrong beneath the service: a full disk, an open key, rules that are gone."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from fedsight.policy.audit import AuditError, PublicKey, verify
from fedsight.policy.audit.exporting import records
from tests.policy.service.served import GOOD, Served, write_set

CHECK = "/check/client_eligibility"


def test_a_key_that_others_may_read_lets_nothing_begin(tmp_path: Path) -> None:
    first = Served(tmp_path / "data")
    first.close()
    (tmp_path / "data" / "keys" / "audit").chmod(0o644)
    with pytest.raises(AuditError, match="others may use the signing key"):
        Served(tmp_path / "data")


def test_rules_that_are_gone_leave_the_set_in_force_and_it_is_said(served: Served) -> None:
    with served.client() as http:
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
        shutil.rmtree(served.rules)
        end = time.monotonic() + 10
        while http.get("/health").json()["components"]["policy"]["status"] == "healthy":
            assert time.monotonic() < end
            time.sleep(0.02)
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
        low = http.post(CHECK, json={**GOOD, "trust_score": 0.1}).json()
    assert "trust is below" in low["reason"]
    served.close()
    write_set(served.rules)


def test_a_trail_that_is_gone_is_refused(served: Served) -> None:
    """Somebody removes the folder: nothing more is recorded where nobody can find it."""
    with served.client() as http:
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
        shutil.rmtree(served.data / "audit")
        end = time.monotonic() + 10
        while http.get("/health").json()["components"]["audit"]["status"] == "healthy":
            assert time.monotonic() < end
            time.sleep(0.02)
        said = http.post(CHECK, json=dict(GOOD)).json()
        verified = http.get("/api/v1/audit/verify").status_code
    assert not said["allowed"]
    assert "were removed" in said["reason"]
    assert verified == 503
    with pytest.raises(AuditError, match="were removed"):
        served.service.deciding.trail.close()


@pytest.mark.slow
def test_on_a_full_disk_decisions_are_refused_until_there_is_room(tmp_path: Path) -> None:
    """A process whose files can grow to 40,000 bytes only: its trail, not the table of trust."""
    data = tmp_path / "data"
    write_set(data / "policy")
    command = [sys.executable, "-m", "fedsight", "serve", "policy", "--port", "0"]
    environment = {**os.environ, "FEDSIGHT_DATA": str(data)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, "--until-stdin-closes"],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=tmp_path,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            headers = {"Authorization": f"Bearer {(data / 'token').read_text().strip()}"}
            unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (40_000, unlimited[1]))
            with httpx.Client(base_url=address, headers=headers, trust_env=False) as http:
                said = [http.post(CHECK, json=dict(GOOD)).json() for _ in range(60)]
                health = http.get("/health").json()
                logged = http.post("/log/training_event", json={"event_type": "X"})
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
                after = http.post(CHECK, json=dict(GOOD)).json()
                well = http.get("/health").json()
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()
    allowed = [one["allowed"] for one in said]
    first = allowed.index(False)
    assert 10 < first < 59
    assert not any(allowed[first:])
    assert "could not be recorded" in said[-1]["reason"]
    assert said[-1]["decision_id"] is None
    assert health["components"]["audit"]["status"] == "degraded"
    assert logged.status_code == 503
    assert after["allowed"]
    assert well["components"]["audit"]["status"] == "healthy"
    kept = list(records(data / "audit", kind="decision"))
    assert len(kept) == first + 1
    assert verify(data / "audit", PublicKey.read(data / "keys" / "audit.pub")).ok
