"""`fedsight models`: what runs left, fetched, compared, tagged and pruned by real commands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import TINY, environment, fedsight

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data directory with a run of two rounds, and what the run said."""
    data = tmp_path_factory.mktemp("home") / "data"
    done = fedsight(data, "run", *TINY, "--exit")
    assert done.returncode == 0, done.stderr
    return data, done.stdout


@pytest.fixture
def data(trained: tuple[Path, str], tmp_path: Path) -> Path:
    """A data directory of one test's own."""
    return Path(shutil.copytree(trained[0], tmp_path / "data"))


@pytest.fixture
def run(trained: tuple[Path, str]) -> str:
    """The run's id."""
    found = re.search(r"^run (\S+) at", trained[1], re.MULTILINE)
    assert found is not None
    return found[1]


def told(data: Path, *arguments: str) -> str:
    done = fedsight(data, "models", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def refused(data: Path, *arguments: str) -> tuple[int, str]:
    done = fedsight(data, "models", *arguments)
    return done.returncode, done.stderr


def test_a_run_says_where_its_model_is(trained: tuple[Path, str], data: Path, run: str) -> None:
    said = f"model {run}/2: fedsight models get {run}/2 --output model.safetensors"
    assert said in trained[1].splitlines()
    told(data, *said.split()[4:])
    written = (data.parent / "model.safetensors").read_bytes()
    assert written == (data / "models" / run / "2.safetensors").read_bytes()


def test_list_and_show_tell_figures_files_and_tags(data: Path, run: str) -> None:
    told(data, "tag", f"{run}/best", "baseline")
    page = json.loads(told(data, "list", "--json"))
    assert (page["total"], [one["version"] for one in page["models"]]) == (
        2,
        [f"{run}/2", f"{run}/1"],
    )
    title, *lines = told(data, "list", "--run", run[:5]).splitlines()
    assert title.split() == ["version", "task", "accuracy", "loss", "size", "created", "tags"]
    assert len(lines) == 2
    assert any(line.split()[-1] == "baseline" for line in lines)
    one = json.loads(told(data, "show", f"{run}/1", "--json"))
    assert one == page["models"][1]
    assert (one["parent"], one["task"]) == (None, "digits")
    shown = told(data, "show", "latest")
    assert f"parent    {run}/1" in shown
    assert "tensor    0.weight: 32 x 64, float32" in shown
    assert "1 more; say --limit" in told(data, "list", "--limit", "1")


def test_compare_is_the_second_less_the_first(data: Path, run: str) -> None:
    one, two = (json.loads(told(data, "show", f"{run}/{at}", "--json")) for at in (1, 2))
    found = json.loads(told(data, "compare", f"{run}/1", "latest", "--json"))
    assert found == {
        "a": f"{run}/1",
        "b": f"{run}/2",
        "accuracy_diff": two["metrics"]["accuracy"] - one["metrics"]["accuracy"],
        "loss_diff": two["metrics"]["loss"] - one["metrics"]["loss"],
        "size_diff": two["size"] - one["size"],
        "round_diff": 1,
    }
    assert re.search(r"^ *round +1 +2 +\+1 *$", told(data, "compare", f"{run}/1", "latest"), re.M)


def test_promotion_and_the_way_back(data: Path, run: str) -> None:
    assert told(data, "promote", f"{run}/1") == f"production is {run}/1\n"
    assert told(data, "promote", "latest") == f"production is {run}/2, and was {run}/1\n"
    assert told(data, "rollback") == f"production is {run}/1, and was {run}/2\n"
    code, said = refused(data, "rollback")
    assert (code, "no version was promoted before" in said) == (2, True)
    assert told(data, "untag", "production") == f"{run}/1 is not production any more\n"


def test_a_taken_tag_moves_by_force_alone(data: Path, run: str) -> None:
    told(data, "tag", f"{run}/1", "mine")
    assert refused(data, "tag", f"{run}/2", "mine") == (
        2,
        f"fedsight: 'mine' is a tag of {run}/1 already; --force moves it\n",
    )
    assert told(data, "tag", f"{run}/2", "mine", "--force") == f"mine is {run}/2, and was {run}/1\n"


def test_prune_spares_the_latest_the_best_and_the_tagged(data: Path) -> None:
    done = fedsight(data, "run", *TINY, "--exit", "--rounds", "4", FEDSIGHT_MODELS_KEEP="9")
    assert done.returncode == 0, done.stderr
    ids = [one["version"] for one in json.loads(told(data, "list", "--json"))["models"]]
    assert len(ids) == 6
    told(data, "tag", ids[2], "mine")
    dry = fedsight(data, "models", "prune", "--keep", "1", "--dry-run")
    assert dry.returncode == 0
    assert len(json.loads(told(data, "list", "--json"))["models"]) == 6
    assert fedsight(data, "models", "prune", "--older-than", "1").stdout == ""
    wet = fedsight(data, "models", "prune", "--keep", "1")
    assert wet.stdout == dry.stdout
    left = [one["version"] for one in json.loads(told(data, "list", "--json"))["models"]]
    assert sorted(left + wet.stdout.split()) == sorted(ids)
    assert {ids[0], ids[2]} <= set(left)
    assert told(data, "verify").endswith(f"{len(left)} checked, 0 damaged\n")
    assert refused(data, "prune")[0] == 2


def test_verify_names_what_is_damaged_and_exits_with_1(data: Path, run: str) -> None:
    assert told(data, "verify") == "2 checked, 0 damaged\n"
    path = data / "models" / run / "1.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    done = fedsight(data, "models", "verify", "--json")
    (fault,) = json.loads(done.stdout)["damaged"]
    assert (done.returncode, fault["version"]) == (1, f"{run}/1")
    assert done.stderr == f"fedsight: 1 of 2 models are damaged: {run}/1\n"
    assert told(data, "verify", f"{run}/2") == "1 checked, 0 damaged\n"
    for command in (["get", f"{run}/1", "-o", "m"], ["promote", f"{run}/1"]):
        code, said = refused(data, *command)
        assert code == 1
        assert said.startswith(f"fedsight: model {run}/1 is damaged: ")
    assert not (data.parent / "m").exists()
    (data / "models" / run / "2.json").unlink()
    listed = fedsight(data, "models", "list")
    assert f"model {run}/2 is damaged" in listed.stderr
    assert fedsight(data, "models", "verify").returncode == 1


def test_a_tagged_version_that_is_missing_is_damage(data: Path, run: str) -> None:
    told(data, "tag", f"{run}/1", "mine")
    for path in (data / "models" / run).glob("1.*"):
        path.unlink()
    done = fedsight(data, "models", "verify")
    assert done.returncode == 1
    assert f"model {run}/1 is damaged: it is tagged or was promoted, and missing" in done.stdout


def test_a_path_is_no_version(data: Path) -> None:
    for name in ("../x", "/etc/passwd"):
        code, said = refused(data, "show", name)
        assert code == 2
        assert "a version is RUN/ROUND" in said
    assert refused(data, "list", "--run", "../models")[0] == 2


def test_keeping_none_writes_none_and_says_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = fedsight(data, "run", *TINY, "--exit", FEDSIGHT_MODELS_KEEP="0")
    assert done.returncode == 0, done.stderr
    assert "models get" not in done.stdout
    assert not (data / "models").exists()
    assert json.loads(told(data, "list", "--json")) == {"total": 0, "models": []}


def test_the_example_of_the_page_runs(data: Path) -> None:
    told(data, "get", "best", "--output", "model.safetensors")
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "models.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=data.parent,
        env=environment(data),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    best = json.loads(told(data, "show", "best", "--json"))
    assert done.stdout == f"{best['version']} {best['metrics']['accuracy']:.4f}\n"
