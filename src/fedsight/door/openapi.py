"""`/openapi.json`, made from the table of routes. https://spec.openapis.org/oas/v3.1.0"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fedsight import __version__
from fedsight.door.endpoint import Endpoint
from fedsight.door.guard import FORM
from fedsight.door.refusal import ErrorAnswer

REFERENCE = "#/components/schemas/{name}"
PARAMETER = re.compile(r"\{(\w+)\}")
#: Any request may be refused at the door, for a parameter that there is not, or because it is no
#: HTTP that can be read, such as an endless address, or comes too slowly.
AT_THE_DOOR = (400, 401, 403, 408, 422, 429, 431)
UNREADABLE = 400
#: So may one that brings something.
OF_BODIES = (413, 415)
Document = dict[str, Any]


def openapi(
    title: str,
    endpoints: Iterable[Endpoint],
    *,
    paths: Document | None = None,
    types: Iterable[type] = (),
    links: Mapping[str, Document] | None = None,
    always: tuple[int, ...] = (),
) -> bytes:
    """The document as JSON; `paths` and `types` are what is no endpoint of the table.

    `links` lead from an operation's answer to what may be asked then
    (https://spec.openapis.org/oas/v3.1.0#link-object); `always` are errors that any may answer.
    """
    endpoints = list(endpoints)
    bodies = [e.body for e in endpoints if e.body is not None]
    known = [*(kind for e in endpoints for kind in e.response), *bodies, *types]
    known += [ErrorAnswer, *(e.query for e in endpoints), *(e.failure for e in endpoints)]
    _, schemas = msgspec.json.schema_components(known, ref_template=REFERENCE)
    found: dict[str, Document] = {**(paths or {}), "/openapi.json": _itself()}
    for endpoint in endpoints:
        found.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(
            endpoint, schemas, links or {}, always
        )
    for endpoint in endpoints:
        schemas.pop(endpoint.query.__name__, None)
    info = {"title": title, "version": __version__}
    bearer = {"token": {"type": "http", "scheme": "bearer"}}
    components = {"schemas": schemas, "securitySchemes": bearer}
    return msgspec.json.encode(
        {"openapi": "3.1.0", "info": info, "paths": found, "components": components}
    )


def _operation(
    endpoint: Endpoint,
    schemas: Document,
    links: Mapping[str, Document],
    always: tuple[int, ...],
) -> Document:
    summary = (endpoint.answer.__doc__ or "").strip()
    name = getattr(endpoint.answer, "__name__", endpoint.path)
    name = f"{name}_form" if endpoint.form else name
    operation: Document = {
        "operationId": name,
        "summary": " ".join(summary.split()),
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint, schemas)],
        "responses": _responses(endpoint, always),
    }
    if name in links:
        operation["responses"][str(endpoint.status)]["links"] = links[name]
    if endpoint.body is not None:
        required = not endpoint.body_optional
        operation["requestBody"] = {"required": required, "content": content([endpoint.body])}
    if endpoint.lines:
        text: Document = {"text/plain": {"schema": {"type": "string"}}}
        operation["requestBody"] = {"required": True, "content": text}
    if endpoint.form:
        operation["requestBody"] = {"required": False, "content": _form(endpoint, schemas)}
    elif endpoint.method != "GET":
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


def _form(endpoint: Endpoint, schemas: Document) -> Document:
    """The query's parameters again, as a form's fields."""
    properties: Document = schemas[endpoint.query.__name__]["properties"]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {FORM: {"schema": schema}}


def _responses(endpoint: Endpoint, always: tuple[int, ...]) -> Document:
    answers: Document = {"303": {"description": "logged in; go to the dashboard"}}
    if endpoint.status == 204:
        answers = {"204": {"description": "done"}}
    elif endpoint.response or endpoint.text is not None:
        answers = {str(endpoint.status): {"description": "OK", "content": _answer(endpoint)}}
    bodies = () if endpoint.method in ("GET", "DELETE") else OF_BODIES
    for status in sorted({*endpoint.errors, *AT_THE_DOOR, *bodies, *always}):
        shapes: set[type] = {ErrorAnswer, endpoint.failure}
        told = content(sorted(shapes, key=lambda kind: kind.__name__))
        if status == UNREADABLE:
            told |= {"text/plain": {"schema": {"type": "string"}}}
        answers[str(status)] = {"description": "refused", "content": told}
    return answers


def _answer(endpoint: Endpoint) -> Document:
    text = {} if endpoint.text is None else {endpoint.text: {"schema": {"type": "string"}}}
    return {**text, **(content(endpoint.response) if endpoint.response else {})}


def content(types: Iterable[type]) -> Document:
    """JSON of one of these types."""
    references = [{"$ref": REFERENCE.format(name=kind.__name__)} for kind in types]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    return {"application/json": {"schema": schema}}


def _itself() -> Document:
    media = {"application/json": {"schema": {"type": "object"}}}
    answer = {"200": {"description": "OK", "content": media}}
    return {"get": {"operationId": "openapi", "summary": "This document", "responses": answer}}
