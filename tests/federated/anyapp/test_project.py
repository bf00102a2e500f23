"""An app's pyproject.toml is read as Flower reads it; what is no app is refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fedsight.errors import UsageError
from fedsight.federated.anyapp.bundled import bundled
from fedsight.federated.anyapp.loading import loaded
from fedsight.federated.anyapp.project import read
from tests.federated.anyapp.apps import CLIENT, SERVER, written


def test_config_is_flat_and_what_is_set_replaces_it(tmp_path: Path) -> None:
    config = 'rounds = 2\nname = "a"\n[tool.flwr.app.config.opt]\nlr = 0.1'
    app = read(written(tmp_path / "app", config=config), ["rounds=5 opt.lr=0.5", 'name="b c"'])
    assert app.config == {"rounds": 5, "name": "b c", "opt.lr": 0.5}
    assert app.overrides == {"rounds": 5, "name": "b c", "opt.lr": 0.5}
    assert (app.name, app.server, app.client) == ("tried", "server:app", "client:app")


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["rouds=5"], "--set rouds: the app in {folder} has no such key; there are rounds"),
        (["rounds"], "--set takes key=value, got 'rounds'"),
        (["rounds=many"], "a text in double quotes"),
    ],
)
def test_what_cannot_be_set_is_named(tmp_path: Path, sets: list[str], said: str) -> None:
    folder = written(tmp_path / "app")
    with pytest.raises(UsageError) as refused:
        read(folder, sets)
    assert said.format(folder=folder) in str(refused.value)


@pytest.mark.parametrize(
    ("components", "said"),
    [
        ('clientapp = "client:app"', '"serverapp" missing in [tool.flwr.app.components]'),
        ('serverapp = "server:app"', '"clientapp" missing in [tool.flwr.app.components]'),
        ('agentapp = "agent:app"', "is an AgentApp (agent:app), which trains no model in rounds"),
        ('serverapp = "server"\nclientapp = "client:app"', "Missing attribute in server"),
    ],
)
def test_a_folder_without_both_parts_is_refused(tmp_path: Path, components: str, said: str) -> None:
    folder = written(tmp_path / "app", components=components)
    with pytest.raises(UsageError) as refused:
        read(folder)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_folder_and_no_project_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no directory"):
        read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"it has no pyproject\.toml"):
        read(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(UsageError, match="describes no Flower app"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("client", "server", "said"),
    [
        ("import nothing_such", SERVER, "client:app .* cannot be imported: ModuleNotFoundError"),
        (CLIENT, "def broken(:", "server:app .* cannot be imported: SyntaxError"),
        (CLIENT, "raise SystemExit(3)", "server:app .* cannot be imported: SystemExit"),
        (CLIENT, "other = 1", "server:app .*: Unable to load attribute app"),
        (CLIENT, CLIENT, "server:app .* is a ClientApp, not a ServerApp"),
    ],
)
def test_what_cannot_be_loaded_is_told(tmp_path: Path, client: str, server: str, said: str) -> None:
    app = read(written(tmp_path / "app", client=client, server=server))
    with pytest.raises(UsageError, match=said), loaded(app):
        pass


def test_two_apps_with_modules_of_the_same_names_are_two(tmp_path: Path) -> None:
    path = list(sys.path)
    one = read(written(tmp_path / "one", server=SERVER + "\nwho = 1"))
    two = read(written(tmp_path / "two", server=SERVER + "\nwho = 2"))
    for app, who in ((one, 1), (two, 2)):
        with loaded(app):
            assert sys.modules["server"].who == who
    assert "server" not in sys.modules
    assert sys.path == path


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern")
def test_a_bundle_is_the_apps_own_and_each_is_another(tmp_path: Path) -> None:
    from flwr.common.config import get_fab_config

    app = read(written(tmp_path / "app"), ["rounds=7"])
    first, second = bundled(app, "aa"), bundled(app, "bb")
    assert first.digest != second.digest
    assert first.overrides == {"rounds": 7}
    told = get_fab_config(first.content)["tool"]["flwr"]["app"]
    assert told["components"] == {"serverapp": "server:app", "clientapp": "client:app"}
    assert told["config"] == {"rounds": 2}
