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


def _links(parameter: str, pointer: str, *operations: str) -> Document:
    """From an id in an answer to the operations that take it."""
    parameters = {parameter: f"$response.body#{pointer}"}
    return {name: {"operationId": name, "parameters": parameters} for name in operations}


OF_RUN = ("run", "rounds", "clients", "spans", "events")
#: Which operation an answer's ids lead to.
LINKS = {
    "runs": _links("run", "/runs/0/id", *OF_RUN),
    "alerts": _links("alert", "/alerts/0/id", "alert", "acknowledge_alert"),
    "alert": _links("alert", "/id", "acknowledge_alert"),
    "silences": _links("silence", "/silences/0/id", "end_silence"),
    "make_silence": _links("silence", "/id", "end_silence"),
    "export": _links("export_id", "/export_id", "export_state", "download", "remove_export"),
    "exports": _links("export_id", "/exports/0/export_id", "export_state", "download"),
}


def document() -> bytes:
    """The document as JSON."""
    paths = {"/ws/metrics": {"get": _stream()}}
    return openapi(
        "fedsight collector",
        ENDPOINTS,
        paths=paths,
        types=[*SENT, *RECEIVED],
        links=LINKS,
        always=(503,),
    )


def _stream() -> Document:
    """OpenAPI has no word for WebSockets: the handshake, with what is sent and received."""
    return {
        "operationId": "watch",
        "summary": "Live stream over a WebSocket",
        "responses": {
            "101": {"description": "the stream begins"},
            "403": {"description": "refused"},
            "404": {"description": "no WebSocket was asked for"},
        },
        "x-websocket-sent": content(SENT)["application/json"],
        "x-websocket-received": content(RECEIVED)["application/json"],
    }
