"""What is passed on, and nothing else."""

from __future__ import annotations

import pytest

from fedsight.collector.passing.passages import FEDERATION

SHA = "r-3fa9c01b"


@pytest.mark.parametrize(
    ("method", "path", "address"),
    [
        ("GET", "status", "status"),
        ("POST", "pause", "pause"),
        ("GET", "clients/client-0", "clients/client-0"),
        ("GET", "clients/Zürich 1", "clients/Z%C3%BCrich%201"),
        ("GET", "clients/a?b#c", "clients/a%3Fb%23c"),
        ("GET", "models/compare", "models/compare"),
        ("GET", f"models/{SHA}/12", f"models/{SHA}/12"),
        ("POST", f"models/{SHA}/best/promote", f"models/{SHA}/best/promote"),
        ("POST", "models/rollback", "models/rollback"),
    ],
)
def test_a_route_of_the_list_is_found_and_quoted(method: str, path: str, address: str) -> None:
    found = FEDERATION.find(method, path)
    assert found is not None
    assert found[1] == address


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "status"),
        ("GET", "pause"),
        ("GET", ""),
        ("GET", "status/"),
        ("GET", "/status"),
        ("GET", "clients/.."),
        ("GET", "clients/."),
        ("GET", "models/../status"),
        ("GET", "clients/a\nb"),
        ("GET", "clients/" + "a" * 201),
        ("POST", "register"),
        ("POST", "models/a/b/c/promote"),
        ("GET", "openapi.json"),
        ("DELETE", "models/a/1"),
    ],
)
def test_nothing_else_is(method: str, path: str) -> None:
    assert FEDERATION.find(method, path) is None


def test_each_route_takes_its_own_parameters() -> None:
    taken = {passage.path: passage.query for passage in FEDERATION.passages if passage.query}
    assert taken["models/compare"] == {"a", "b"}
    assert "run" in taken["models"]
    assert "status" not in taken
