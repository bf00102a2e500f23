"""`/openapi.json`, made from the table of routes. https://spec.openapis.org/oas/v3.1.0"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from fedsight import __version__
from fedsight.collector.http.endpoints import Endpoint
from fedsight.collector.live import stream, watch
from fedsight.collector.reading.rows import ErrorAnswer, ErrorMessage

REFERENCE = "#/components/schemas/{name}"
PARAMETER = re.compile(r"\{(\w+)\}")
#: Any request may be refused at the door.
AT_THE_DOOR = (401, 403, 429)
SENT = (watch.Subscribe, watch.Unsubscribe)
RECEIVED = (
    watch.Subscribed,
    stream.RoundUpdate,
    stream.RunUpdate,
    stream.EventMessage,
    watch.Lagging,
    ErrorMessage,
)

Document = dict[str, Any]


def openapi(endpoints: Iterable[Endpoint]) -> bytes:
    """The document as JSON."""
    endpoints = list(endpoints)
    bodies = [e.body for e in endpoints if e.body is not None]
    types = [*(kind for e in endpoints for kind in e.response), *bodies, *SENT, *RECEIVED]
    types += [ErrorAnswer, *(e.query for e in endpoints)]
    _, schemas = msgspec.json.schema_components(types, ref_template=REFERENCE)
    paths: dict[str, Document] = {"/ws/metrics": {"get": _stream()}, "/openapi.json": _itself()}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    for endpoint in endpoints:
        schemas.pop(endpoint.query.__name__, None)
    info = {"title": "fedsight collector", "version": __version__}
    bearer = {"token": {"type": "http", "scheme": "bearer"}}
    components = {"schemas": schemas, "securitySchemes": bearer}
    return msgspec.json.encode(
        {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
    )


def _operation(endpoint: Endpoint, schemas: Document) -> Document:
    summary = (endpoint.answer.__doc__ or "").strip()
    operation: Document = {
        "operationId": getattr(endpoint.answer, "__name__", endpoint.path),
        "summary": " ".join(summary.split()),
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint, schemas)],
        "responses": _responses(endpoint),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _content([endpoint.body])}
        operation["security"] = [{"token": []}]
    return operation


def _path_parameters(path: str) -> list[Document]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PARAMETER.findall(path)
    ]


def _query_parameters(endpoint: Endpoint, schemas: Document) -> list[Document]:
    properties: Document = schemas[endpoint.query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in properties.items()
    ]


def _responses(endpoint: Endpoint) -> Document:
    answers: Document = {"303": {"description": "logged in; go to the dashboard"}}
    if endpoint.response:
        answers = {"200": {"description": "OK", "content": _content(endpoint.response)}}
    for status in sorted({*endpoint.errors, *AT_THE_DOOR}):
        answers[str(status)] = {"description": "refused", "content": _content([ErrorAnswer])}
    return answers


def _content(types: Iterable[type]) -> Document:
    references = [{"$ref": REFERENCE.format(name=kind.__name__)} for kind in types]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    return {"application/json": {"schema": schema}}


def _stream() -> Document:
    """OpenAPI has no word for WebSockets: the handshake, with what is sent and received."""
    return {
        "operationId": "watch",
        "summary": "Live stream over a WebSocket",
        "responses": {"101": {"description": "the stream begins"}},
        "x-websocket-sent": _content(SENT)["application/json"],
        "x-websocket-received": _content(RECEIVED)["application/json"],
    }


def _itself() -> Document:
    content = {"application/json": {"schema": {"type": "object"}}}
    answer = {"200": {"description": "OK", "content": content}}
    return {"get": {"operationId": "openapi", "summary": "This document", "responses": answer}}
