"""Real services for OWASP's list: a collector on loopback, one beyond it, an FL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.collector.server import Server
from tests.collector.shipments import whole_run
from tests.federated.api.asked import Asked, asked

SECRETS = {
    "webhook": "https://hook.invalid/services/WEBHOOK-SECRET",
    "signing": "SIGNING-SECRET",
    "password": "CONTROLLER-SECRET",
}


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A collector as it is by default, with secrets in its settings."""
    options = {
        "alerts": {"webhooks": [{"url": SECRETS["webhook"]}], "webhook_secret": SECRETS["signing"]},
        "monitors": {"sdn_user": "operator", "sdn_password": SECRETS["password"]},
        "refused_rate": 1e6,
        "refused_burst": 1e6,
    }
    with Server(tmp_path_factory.mktemp("data"), **options) as running:
        running.send("journal-1", whole_run("r-1", ["a", "b"]))
        yield running


@pytest.fixture(scope="package")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A collector bound beyond loopback, asked as from elsewhere."""
    data = tmp_path_factory.mktemp("beyond")
    loose = {"refused_rate": 1e6, "refused_burst": 1e6}
    with Server(data, host="0.0.0.0", hosts=["lab.example"], **loose) as running:
        running.http.close()
        port = running.url.rpartition(":")[2]
        running.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, headers={"Host": "lab.example"}
        )
        running.send("journal-1", whole_run("r-1", ["a", "b"]))
        yield running


@pytest.fixture
def fl(tmp_path: Path) -> Iterator[Asked]:
    """An FL server whose runs follow a script."""
    with asked(tmp_path, refused_rate=1e6, refused_burst=1e6) as running:
        yield running
