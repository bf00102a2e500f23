"""API7:2023: no request chooses where we connect to; what the operator chose is checked."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from fedsight.collector.alerts.options import AlertOptions, Webhook
from fedsight.errors import SettingsError
from tests.cli.command import fedsight
from tests.collector.server import Server
from tests.collector.stub_service import StubService

#: Ways to write an address at which clouds keep keys, and others that nobody should be sent to.
FORBIDDEN = (
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.16689662/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "http://127.0.0.1@169.254.169.254/",
)
NAMES_A_PLACE = re.compile(r"url|uri|host|target|callback|webhook|redirect|address|proxy", re.I)


def test_no_parameter_and_no_body_names_a_place(server: Server) -> None:
    document = server.get("/openapi.json")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            named = [one["name"] for one in operation.get("parameters", ())]
            assert not any(NAMES_A_PLACE.search(name) for name in named), path
    schemas = document["components"]["schemas"]
    bodies = [
        content["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    ]
    assert len(bodies) > 5
    for name in bodies:
        fields = schemas[name].get("properties", {})
        assert not any(NAMES_A_PLACE.search(field) for field in fields), name


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_forbidden_target_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^alerts\.webhooks: "):
        AlertOptions(webhooks=(Webhook(url),))
    with pytest.raises(SettingsError, match=r"^alerts\.alertmanager_urls: "):
        AlertOptions(alertmanagers=(url,))


def test_a_collector_with_a_forbidden_target_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "fedsight.toml").write_text(f'[alerts]\nwebhooks = ["{FORBIDDEN[0]}"]\n')
    done = fedsight(tmp_path / "data", "serve", "collector", "--port", "0")
    assert done.returncode == 2
    assert "alerts.webhooks: 169.254.169.254 is link-local" in done.stderr
    assert not (tmp_path / "data" / "collector.sqlite").exists()


HOSTILE_ROUTES = (
    "http://169.254.169.254/",
    "//169.254.169.254/",
    "..",
    "../../etc/passwd",
    "status/../../x",
    "status?x=1",
    "status#x",
    "@169.254.169.254/status",
    "clients/http:%2f%2f169.254.169.254",
    "clients/..",
    "clients/.",
    "\r\nX: 1",
)


def test_what_is_passed_on_goes_to_the_service_of_the_settings_alone(tmp_path: Path) -> None:
    with (
        StubService(lambda _: (200, {"ok": True})) as ours,
        Server(tmp_path, fl_server_url=ours.url, monitors={"fl_server_url": None}) as server,
    ):
        for route in HOSTILE_ROUTES:
            path = f"/api/v1/services/fl/{quote(route, safe='%')}"
            answer = server.http.get(path)
            assert answer.status_code in (200, 404, 422), (route, answer.text)
        for service in ("http:", "169.254.169.254", "fl@evil.example"):
            path = f"/api/v1/services/{quote(service, safe='')}/status"
            assert server.http.get(path).status_code == 404
        asked = [one.path for one in ours.asked if one.path != "/"]
    for path in asked:  # a client's name, quoted, and nothing that leads elsewhere
        assert path.startswith("/clients/"), path
        assert ".." not in path.split("/")
        assert "//" not in path


def test_a_redirect_of_a_service_is_not_followed(tmp_path: Path) -> None:
    with (
        StubService(lambda _: (302, {})) as ours,
        Server(tmp_path, fl_server_url=ours.url, monitors={"fl_server_url": None}) as server,
    ):
        answer = server.http.get("/api/v1/services/fl/status")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "service_answer")
        assert len([one for one in ours.asked if one.path == "/status"]) == 1
