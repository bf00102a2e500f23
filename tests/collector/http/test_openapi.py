from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from fedsight.collector.http.document import document

DOCUMENT: dict[str, Any] = msgspec.json.decode(document())
PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
CONTRACT = PAGE.partition("# The FL server's HTTP API")[0]
ROUTE = re.compile(r"`(GET|POST|WS) (/[^`?\s]+)(?:\?([^`]*))?`")


def promised() -> dict[tuple[str, str], list[str]]:
    """Routes of docs/api.md with their parameters; rows of it may stand for several lines."""
    return {
        ("get" if method == "WS" else method.lower(), path): re.findall(r"(\w+)=", query or "")
        for method, path, query in ROUTE.findall(CONTRACT)
    }


def test_every_promised_route_is_in_the_document() -> None:
    routes = promised()
    assert len(routes) >= 17
    for method, path in routes:
        assert method in DOCUMENT["paths"][path]


def test_every_promised_parameter_is_in_the_document() -> None:
    for (method, path), wanted in promised().items():
        operation = DOCUMENT["paths"][path][method]
        known = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert set(wanted) <= known, path


def test_every_route_has_the_schema_of_its_answer() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            assert answers.keys() & {"200", "201", "202", "204", "303", "101"}, path
            for answer in answers.values():
                assert answer["description"]
    text = msgspec.json.encode(DOCUMENT).decode()
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in schemas


def test_operation_ids_are_unique() -> None:
    ids = [op["operationId"] for path in DOCUMENT["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))
