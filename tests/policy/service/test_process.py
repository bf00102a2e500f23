"""The service as a process, over TLS, as its command starts it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.federated.link.certificates import certificate
from tests.policy.service.served import GOOD, write_set

pytestmark = pytest.mark.slow


def test_it_serves_over_tls_until_its_parent_ends_and_the_trail_is_signed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_set(data / "policy")
    tls = certificate(tmp_path)
    fedsight = [sys.executable, "-m", "fedsight"]
    files = ["--tls-cert", str(tls.certificate), "--tls-key", str(tls.key)]
    command = [*fedsight, "serve", "policy", "--port", "0", "--until-stdin-closes", *files]
    environment = {**os.environ, "FEDSIGHT_DATA": str(data)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=tmp_path
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            assert address.startswith("https://")
            token = (data / "token").read_text().strip()
            trusted = ssl.create_default_context(cafile=str(tls.certificate))
            with httpx.Client(
                base_url=address, verify=trusted, trust_env=False, timeout=10
            ) as http:
                shown = {"Authorization": f"Bearer {token}"}
                path = "/check/client_eligibility"
                assert http.post(path, json=dict(GOOD)).status_code == 401
                assert http.post(path, json=dict(GOOD), headers=shown).json()["allowed"]
                paths = http.get("/openapi.json").json()["paths"]
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert path in paths
    verified = subprocess.run(
        [*fedsight, "policy", "audit", "verify", "--no-anchors"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
