"""The documentation covers what there is, and says nothing that is not."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from fedsight.cli.app import app
from fedsight.collector.http.endpoints import ENDPOINTS as OF_COLLECTOR
from fedsight.config import PORTS, SECTIONS, Section
from fedsight.federated.api.endpoints import ENDPOINTS as OF_FEDERATION
from fedsight.forecast.service.endpoints import ENDPOINTS as OF_FORECASTER
from fedsight.policy.service.endpoints import ENDPOINTS as OF_POLICY

ENDPOINTS = (*OF_COLLECTOR, *OF_FEDERATION, *OF_FORECASTER, *OF_POLICY)
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
SHOUTED = re.compile(r"[A-Z]+(_[A-Z]+)+")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def first_cells(page: str) -> list[str]:
    """The code in the first cell of every table row."""
    return re.findall(r"^\| `([^`]+)` \|", text(page), re.MULTILINE)


def literals() -> set[str]:
    """Every text in the source that is no docstring."""
    found: set[str] = set()
    for path in SOURCE:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found |= {
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def assigned() -> set[str]:
    """Every name that the source assigns to."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE)
    return {
        node.id
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def commands(
    group: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its words."""
    if isinstance(group, click.Group):
        if group.invoke_without_command:
            yield " ".join(("fedsight", *path)), group
        for name, command in group.commands.items():
            yield from commands(command, (*path, name))
    else:
        yield " ".join(("fedsight", *path)), group


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_help_says_what_each_argument_is() -> None:
    """That is so only where typer and click get on with each other."""
    shown = {
        (command, argument.name): getattr(argument, "help", None)
        for command, its in COMMANDS.items()
        for argument in its.params
        if isinstance(argument, click.Argument)
    }
    assert [each for each, said in shown.items() if not said] == []


def flags(command: click.Command) -> set[str]:
    """Its flags, but for those that only our own processes use."""
    options = (each for each in command.params if isinstance(each, click.Option))
    return {flag for each in options if not each.hidden for flag in each.opts}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_setting_is_documented_with_its_variable_and_default(section: type[Section]) -> None:
    page = text("docs/configuration.md")
    for field, info in section.model_fields.items():
        row = rf"\| `{section.key(field)}` \| `{section.variable(field)}` \|"
        assert re.search(row, page), f"no row for {section.key(field)}"
        if info.default_factory is None:
            unset = {None: "none", (): "none", "": "empty"}
            default = unset.get(info.default) or f"`{re.escape(str(info.default))}`"
            assert re.search(f"{row} {default} ", page)


def test_no_setting_is_documented_that_is_not() -> None:
    known = {section.key(field) for section in SECTIONS for field in section.model_fields}
    files = {"journals/ID.sqlite", "collector.sqlite", "store-id", "token", "logs/collector.log"}
    files |= {"checkpoints/RUN.safetensors", "exports/ID.zip", "collector.address", "samples/"}
    files |= {"personal/NODE/RUN.safetensors", "windows/", "forecast/state.sqlite"}
    assert set(first_cells("docs/configuration.md")) - known == files


def test_the_page_of_ports_is_the_table_of_ports() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", text("docs/ports.md"), re.MULTILINE)
    assert [(int(number), what) for number, what in rows] == [
        tuple(port) for port in PORTS.values()
    ]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_flag_is_documented(words: str) -> None:
    sections = re.split(r"^## ", text("docs/cli.md"), flags=re.MULTILINE)
    section = next((one for one in sections if one.startswith(f"`{words}")), None)
    assert section is not None, f"docs/cli.md has no section `{words}`"
    missing = {flag for flag in flags(COMMANDS[words]) if f"`{flag}" not in section}
    assert missing == set()


def shell_lines() -> Iterator[tuple[str, str]]:
    """Each line of the pages' code blocks, and each code span, that is a command of ours."""
    for page in PAGES:
        written = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", written, re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        spans = re.findall(r"`((?:make|fedsight) [^`\n]+)`", written)
        for line in (*lines, *spans):
            line = line.removeprefix("$ ").strip()
            if line.startswith(("fedsight ", "make ")):
                yield page.name, line


def test_documented_fedsight_commands_exist() -> None:
    wrong = []
    for page, line in shell_lines():
        words = shlex.split(re.split(r"[|&;>#]", line)[0])
        if words[0] != "fedsight" or words[1].startswith("-"):
            continue
        beginnings = (" ".join(words[:count]) for count in (4, 3, 2))
        command = next((COMMANDS[each] for each in beginnings if each in COMMANDS), None)
        used = {word.split("=")[0] for word in words if word.startswith("-")}
        if words[1:2] == ["…"] or (
            command is None and words[1] in {"serve", "runs", "models", "keys", "node"} and not used
        ):
            continue
        if command is None or used - flags(command) - {"--help", "-h"}:
            wrong.append(f"{page}: {line}")
    assert wrong == []


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    wrong = [
        f"{page}: {line}"
        for page, line in shell_lines()
        if line.startswith("make ")
        for word in shlex.split(re.split(r"[|&;#]", line)[0])[1:]
        if "=" not in word and word not in targets | {"TARGET"}
    ]
    assert wrong == []


def test_the_readme_begins_with_the_commands_that_ci_runs() -> None:
    screen = "\n".join(text("README.md").splitlines()[:40])
    assert re.findall(r"^make \w+", screen, re.MULTILINE)[:2] == ["make demo", "make test"]
    ci = [line for line in text(".ci/run").splitlines() if line.startswith("make ")]
    assert ci == ["make test", "make lint types"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_every_route_is_documented(endpoint: object) -> None:
    route = f"{endpoint.method} {endpoint.path}"  # type: ignore[attr-defined]
    assert route in text("docs/api.md")


def test_every_documented_route_is_there() -> None:
    documented = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`? ]*)", text("docs/api.md"))
    known = {(one.method, one.path) for one in ENDPOINTS}
    assert set(documented) <= known


#: Names of samples: a federation's, and with their unit at the end the network's and a machine's.
METRIC = re.compile(
    r"fl_(?!server)[a-z_]+|network_(devices|links|hosts|flows)"
    r"|(network|host)_[a-z_]+_(total|bytes|seconds|per_second|ratio|cores|1m)"
)


def test_metric_names_are_documented_and_measured() -> None:
    documented = {name for name in first_cells("docs/metrics.md") if METRIC.fullmatch(name)}
    used = {name for name in literals() if METRIC.fullmatch(name)}
    assert documented - used == set()
    elsewhere = {name for name in used if f"`{name}`" in text("docs/api.md")}
    elsewhere |= set(re.findall(r'"(fl_[a-z_]+)"', text("docs/api.md")))
    assert used - documented - elsewhere == set()


def test_event_kinds_are_documented_and_told() -> None:
    documented = {name for name in first_cells("docs/metrics.md") if SHOUTED.fullmatch(name)}
    told = {name for name in literals() if SHOUTED.fullmatch(name)} - assigned()
    variables = {name for name in told if name.startswith(("FLWR_", "RAY_", "FEDSIGHT_", "LOG_"))}
    assert told - variables - documented == set()
    assert documented - literals() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    pages = {path.name for path in (DOCS / "decisions").glob("[0-9]*.md")}
    assert set(re.findall(r"\]\(([0-9][^)]+)\)", text("docs/decisions/README.md"))) == pages
