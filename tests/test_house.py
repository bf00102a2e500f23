"""The house rules, held: which room may import which, sizes, names, and what nobody may do."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "fedsight"

MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60
BANNED_NAMES = {"utils", "helpers", "manager", "base", "core", "common", "misc", "handler", "data1"}
BANNED_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}
BANNED_CALLS = {"eval", "exec", "__import__"}

#: Nouns and settings, at the bottom; every room may use what stands before it here.
GROUND: dict[str, set[str]] = {
    "signals": set(),
    "errors": set(),
    "starting": set(),
    "config": {"errors"},
}
FLOOR = {"signals", "errors", "starting", "config"}
#: What every HTTP service shares stands beside the journal.
BELOW = FLOOR | {"journal", "tracking", "door"}
ROOMS: dict[str, set[str]] = {
    **GROUND,
    "journal": FLOOR,
    "door": {"errors"},
    "tracking": FLOOR | {"journal"},
    "dashboard": set(),
    "client": {"errors", "config", "door"},
    "telemetry": BELOW,
    "network": BELOW,
    "policy": BELOW,
    "collector": BELOW,
    "forecast": BELOW | {"telemetry"},
    "tasks": BELOW | {"forecast"},
    "federated": BELOW | {"tasks", "policy"},
    "cli": BELOW
    | {"tasks", "federated", "collector", "client", "policy", "network", "forecast", "telemetry"},
    "__main__": {"cli", "starting"},
    "__init__": set(),
}

#: Heavy guests, each let into some rooms only.
GUESTS = {
    "flwr": {"federated"},
    "torch": {"tasks", "forecast", "federated"},
    "starlette": {"door", "collector", "federated", "policy", "network", "telemetry", "forecast"},
    "uvicorn": {"door", "federated", "policy", "network", "telemetry", "forecast"},
    "uvloop": {"door", "collector", "federated", "policy", "network", "telemetry", "forecast"},
    "typer": {"cli"},
    "rich": {"cli"},
}


#: The package of an imported module, where the two have different names.
PACKAGES = {
    "google": "protobuf",
    "grpc": "grpcio",
    "opentelemetry": "opentelemetry-proto",
    "simdjson": "pysimdjson",
    "sklearn": "scikit-learn",
}


def python_files(*folders: str) -> list[Path]:
    """Every Python file beneath the folders that are there."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


OURS = python_files("src", "tests", "benchmarks", "examples")
SOURCE = python_files("src")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), named(path))


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of imported modules; `from a import b` counts as both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import on line {node.lineno}"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def looked_for(tree: ast.AST) -> Iterator[str]:
    """Modules that are only looked for, by `find_spec`, for a file that lies in their package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "find_spec":
            yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


def rooms_used(tree: ast.AST) -> set[str]:
    parts = (name.split(".") for name in imported(tree))
    return {part[1] for part in parts if part[0] == "fedsight" and len(part) > 1} & set(ROOMS)


def test_there_is_something_to_check() -> None:
    assert len(SOURCE) > 30
    assert PACKAGE / "signals.py" in SOURCE


def test_every_room_is_known() -> None:
    assert {room_of(path) for path in SOURCE} <= set(ROOMS)


@pytest.mark.parametrize("path", SOURCE, ids=named)
def test_imports_run_downwards(path: Path) -> None:
    room = room_of(path)
    assert rooms_used(parsed(path)) - {room} <= ROOMS[room]


@pytest.mark.parametrize("path", SOURCE, ids=named)
def test_guests_stay_in_their_rooms(path: Path) -> None:
    used = {name.split(".")[0] for name in imported(parsed(path))}
    strays = {guest for guest in used & set(GUESTS) if room_of(path) not in GUESTS[guest]}
    assert not strays


def requirements() -> set[str]:
    """Every package that pyproject.toml names for those who use fedsight."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    ours = (names for extra, names in extras.items() if extra not in {"all", "bench", "dev"})
    named = [*project["dependencies"], *(name for names in ours for name in names)]
    return {re.split(r"[\[<>=]", name)[0].replace("-", "_") for name in named}


def test_every_package_that_is_imported_is_required_and_no_other() -> None:
    trees = [parsed(path) for path in SOURCE]
    used = {name.split(".")[0] for tree in trees for name in (*imported(tree), *looked_for(tree))}
    guests = used - set(sys.stdlib_module_names) - {"fedsight"}
    assert {PACKAGES.get(name, name).replace("-", "_") for name in guests} == requirements()


def test_the_rules_of_imports_can_fail() -> None:
    tree = ast.parse("from fedsight import federated\nimport fedsight.cli.app\nimport flwr.app")
    assert rooms_used(tree) == {"federated", "cli"}


@pytest.mark.parametrize("path", OURS, ids=named)
def test_files_and_functions_keep_their_size(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_FILE_LINES
    long = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in long.items() if length > MOST_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", OURS, ids=named)
def test_names_say_something(path: Path) -> None:
    defined = {
        node.name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    words = {word for name in [path.stem, *defined] for word in snake(name).split("_")}
    assert words & BANNED_NAMES == set()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("path", OURS, ids=named)
def test_a_broad_except_says_why(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler) and is_broad(node):
            assert re.search(r"#\s+\w+", lines[node.lineno - 1]), f"line {node.lineno}: say why"


def is_broad(clause: ast.ExceptHandler) -> bool:
    """Whether it catches Exception and goes on; one that raises again hides nothing."""
    caught = clause.type.elts if isinstance(clause.type, ast.Tuple) else [clause.type]
    names = {name.id for name in caught if isinstance(name, ast.Name)}
    raises = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(clause))
    return (clause.type is None or bool(names & {"Exception", "BaseException"})) and not raises


@pytest.mark.parametrize("path", OURS, ids=named)
def test_no_code_is_made_from_data(path: Path) -> None:
    tree = parsed(path)
    assert {name.split(".")[0] for name in imported(tree)} & BANNED_MODULES == set()
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls & BANNED_CALLS == set()


@pytest.mark.parametrize("path", OURS, ids=named)
def test_no_path_belongs_to_one_machine(path: Path) -> None:
    """Device files and the like are the same everywhere; homes and work trees are not."""
    somebodys = re.compile(r"^/(home|root|work|Users|mnt|opt|srv)(/|$)")
    texts = [
        node.value
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [text for text in texts if somebodys.match(text)] == []


@pytest.mark.parametrize("path", SOURCE, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path)) or not path.read_text(encoding="utf-8").strip()
