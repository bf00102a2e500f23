"""The collector's `/openapi.json`."""

from __future__ import annotations

from fedsight.collector.http.endpoints import ENDPOINTS
from fedsight.collector.live import messages, watch
from fedsight.door.openapi import Document, content, openapi
from fedsight.door.refusal import ErrorMessage

SENT = (watch.Subscribe, watch.Unsubscribe)
RECEIVED = (
    watch.Subscribed,
    messages.RoundUpdate,
    messages.RunUpdate,
    messages.EventMessage,
    messages.PolicyEvent,
    messages.NetworkAlert,
    messages.AlertChange,
    watch.Lagging,
    ErrorMessage,
)


def document() -> bytes:
    """The document as JSON."""
    paths = {"/ws/metrics": {"get": _stream()}}
    return openapi("fedsight collector", ENDPOINTS, paths=paths, types=[*SENT, *RECEIVED])


def _stream() -> Document:
    """OpenAPI has no word for WebSockets: the handshake, with what is sent and received."""
    return {
        "operationId": "watch",
        "summary": "Live stream over a WebSocket",
        "responses": {"101": {"description": "the stream begins"}},
        "x-websocket-sent": content(SENT)["application/json"],
        "x-websocket-received": content(RECEIVED)["application/json"],
    }
