"""The bridge's `/openapi.json`: what it takes is OTLP's own, by the specification's messages.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.door.openapi import openapi
from fedsight.telemetry.bridge.figures import Health

SPECIFICATION = "https://opentelemetry.io/docs/specs/otlp/#otlphttp"
#: OTLP's statuses of what is not taken; the body is a google.rpc.Status.
REFUSED = {
    "400": "it cannot be read, or never be taken",
    "401": "the token is missing or wrong",
    "413": "it is too large",
    "415": "it is neither protobuf nor JSON",
    "429": "too much waits: come again, as Retry-After says",
    "503": "it cannot be written now: come again",
}
OTLP = ("application/x-protobuf", "application/json")
MESSAGES = {
    "metrics": "ExportMetricsService",
    "logs": "ExportLogsService",
    "traces": "ExportTraceService",
}


async def health(_: Any, __: Request, ___: Nothing) -> Response:
    """Whether the bridge can write, send on, and who sends as one node."""
    raise NotImplementedError("for the document alone")


async def metrics(_: Any, __: Request, ___: Nothing) -> Response:
    """The bridge's own figures, for Prometheus."""
    raise NotImplementedError("for the document alone")


ENDPOINTS = (
    Endpoint("GET", "/health", health, Nothing, (Health,)),
    Endpoint("GET", "/metrics", metrics, Nothing, (), text=MEDIA_TYPE),
)


def document() -> bytes:
    """The document, as JSON."""
    paths = {f"/v1/{signal}": {"post": _taking(signal)} for signal in MESSAGES}
    return openapi("fedsight bridge", ENDPOINTS, paths=paths)


def _taking(signal: str) -> dict[str, Any]:
    message = MESSAGES[signal]
    answers = {"200": _message("taken; partial_success says what was not", f"{message}Response")}
    answers |= {code: _message(why, "google.rpc.Status") for code, why in REFUSED.items()}
    return {
        "operationId": f"export_{signal}",
        "summary": f"Take {signal} in, as OTLP over HTTP",
        "externalDocs": {"url": SPECIFICATION},
        "requestBody": {"required": True, **_message(f"{message}Request", f"{message}Request")},
        "responses": answers,
        "security": [{}, {"token": []}],
    }


def _message(description: str, name: str) -> dict[str, Any]:
    """A message of OTLP's, encoded in either way."""
    schemas = ({"type": "string", "contentMediaType": OTLP[0], "title": name}, {"title": name})
    content = {kind: {"schema": schema} for kind, schema in zip(OTLP, schemas, strict=True)}
    return {"description": description, "content": content}
