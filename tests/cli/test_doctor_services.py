"""What doctor says of services: there, ill, somebody else's, or not running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fedsight.cli.doctor_services import Place, look, places, services
from fedsight.cli.services import Service
from fedsight.config import LOOPBACK, load
from fedsight.door.serving import listening
from tests.federated.api.asked import listened

FORECASTER = Place("forecaster", "forecast", LOOPBACK, 0, "fedsight-forecast")


def app(body: object, status: int = 200) -> Starlette:
    async def say(_: Request) -> Response:
        if isinstance(body, str):
            return PlainTextResponse(body, status)
        return JSONResponse(body, status)

    return Starlette(routes=[Route("/health", say), Route("/", say)])


@pytest.mark.parametrize(
    ("body", "status", "verdict", "said"),
    [
        ({"service": "fedsight-forecast", "status": "healthy"}, 200, "ok", "answers at http"),
        (
            {
                "service": "fedsight-forecast",
                "status": "degraded",
                "components": {"model": {"error": "there is none"}, "journal": {}},
            },
            200,
            "note",
            "answers, but model: there is none",
        ),
        ({"service": "another"}, 200, "note", "in use by another program"),
        ([1], 200, "note", "in use by another program"),
        ("hello", 200, "note", "in use by another program"),
        ({"error": "token"}, 401, "ok", "asks for a token"),
    ],
)
def test_what_answers_is_known_by_what_it_says(
    body: object, status: int, verdict: str, said: str
) -> None:
    with listened(app(body, status)) as url:
        found = look(replace(FORECASTER, port=int(url.rsplit(":", 1)[1])))
    assert found.verdict == verdict
    assert said in found.found


def test_a_free_port_says_what_begins_there() -> None:
    with listening(LOOPBACK, 0) as taken:
        port = taken.getsockname()[1]
        held = look(Place("bridge, gRPC", "bridge", LOOPBACK, port, None))
    assert held.found == f"somebody listens at {LOOPBACK}:{port}, not asked"
    found = look(Place("bridge", "bridge", LOOPBACK, port, "fedsight-bridge"))
    assert (found.verdict, "`fedsight serve bridge`" in found.found) == ("ok", True)
    assert "any free port" in look(FORECASTER).found


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An exporter and a bridge, each a process, at ports of the settings."""
    own = {"exporter": ["EXPORTER_PORT"], "bridge": ["BRIDGE_HTTP_PORT", "BRIDGE_GRPC_PORT"]}
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path))
    with ExitStack() as open_:
        for names in own.values():
            for name in names:
                with listening(LOOPBACK, 0) as free:
                    monkeypatch.setenv(f"FEDSIGHT_{name}", str(free.getsockname()[1]))
        for name in own:
            service = Service(name, {}, tmp_path)
            open_.callback(service.stop)
            service.start()
        yield


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("there")
def test_services_that_run_are_found() -> None:
    settings = load(None)
    found = {one.what: one for one in services(settings)}
    assert {place.service for place in places(settings)} == set(found)
    for name in ("exporter", "bridge"):
        assert (found[name].verdict, "answers" in found[name].found) == ("ok", True), found[name]
