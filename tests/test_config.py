"""Settings: where they come from, who wins, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.config import PORTS, SECTIONS, load
from fedsight.errors import SettingsError


@pytest.fixture(autouse=True)
def _quiet_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for section in SECTIONS:
        for field in section.model_fields:
            monkeypatch.delenv(section.variable(field), raising=False)
    monkeypatch.delenv("FEDSIGHT_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str, name: str = "fedsight.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_defaults_are_the_demo() -> None:
    settings = load()
    run = settings.run
    assert (run.task, run.nodes, run.rounds, run.fraction) == ("mnist", 10, 20, 1.0)
    assert (run.partition, run.alpha, run.epochs, run.seed) == ("dirichlet", 0.5, 5, 0)
    assert (run.lr, run.momentum, run.batch_size) == (0.05, 0.9, 32)
    assert (settings.collector.host, settings.collector.port) == ("127.0.0.1", 8083)
    assert settings.data.is_absolute()
    assert settings.data.name == "fedsight"
    assert settings.log.level == "INFO"


def test_the_file_of_the_working_directory_is_read(tmp_path: Path) -> None:
    written(tmp_path, 'data = "d"\n[collector]\nport = 9000\n[run]\ntask = "digits"\nlr = 0.1\n')
    settings = load()
    assert settings.collector.port == 9000
    assert (settings.run.task, settings.run.lr, settings.run.nodes) == ("digits", 0.1, 10)
    assert settings.data == tmp_path / "d"
    assert settings.journals == tmp_path / "d" / "journals"


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, '[collector]\nport = 9000\nhost = "::1"\n[run]\nbatch_size = 8\n')
    monkeypatch.setenv("COLLECTOR_PORT", "9001")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("FEDSIGHT_RUN_BATCH_SIZE", "64")
    settings = load()
    assert (settings.collector.port, settings.collector.host) == (9001, "::1")
    assert settings.log.level == "DEBUG"
    assert settings.data == tmp_path / "elsewhere"
    assert settings.run.batch_size == 64


def test_a_named_file_wins_over_the_variable_and_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "[run]\nseed = 1\n")
    monkeypatch.setenv("FEDSIGHT_CONFIG", str(written(tmp_path, "[run]\nseed = 2\n", "b.toml")))
    assert load().run.seed == 2
    assert load(written(tmp_path, "[run]\nseed = 3\n", "c.toml")).run.seed == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[run]\nroundz = 3\n", "unknown setting run.roundz in {path}; did you mean run.rounds?"),
        ("datta = 3\n", "unknown setting datta in {path}; did you mean data?"),
        ("[colector]\nport = 1\n", "unknown setting colector in {path}; did you mean [collector]?"),
        (
            "[log]\nzzz = 1\n",
            "unknown setting log.zzz in {path}; allowed are log.level",
        ),
        (
            "[collector]\nport = 70000\n",
            "collector.port in {path} must be a port number from 0 (any free one) to 65535, "
            "got 70000",
        ),
        ("[run]\nnodes = 0\n", "run.nodes in {path} must be a whole number of at least 1, got 0"),
        ("[run]\nlr = nan\n", "run.lr in {path} must be a number above 0, got nan"),
        (
            "[run]\npartition = 'random'\n",
            "run.partition in {path} must be one of iid, dirichlet, shards, own, got 'random'",
        ),
        ("run = 3\n", "run in {path} must be a table, got 3"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text, "mine.toml")
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(caught.value) == sentence.format(path=path)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_PORT", "http")
    with pytest.raises(SettingsError, match=r"^COLLECTOR_PORT must be a port .* got 'http'$"):
        load()


def test_hosts_are_a_list_in_the_file_and_parted_by_commas_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, '[collector]\nhosts = ["lab.example"]\n')
    assert load().collector.hosts == ("lab.example",)
    monkeypatch.setenv("COLLECTOR_HOSTS", "a.example, b.example")
    assert load().collector.hosts == ("a.example", "b.example")
    monkeypatch.setenv("COLLECTOR_HOSTS", "https://a.example")
    with pytest.raises(SettingsError, match=r"^COLLECTOR_HOSTS must be a list of host names"):
        load()


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_PORT", "")
    assert load().collector.port == 8083


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: No such file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(SettingsError, match=r"bad\.toml is not valid TOML: .*line 1"):
        load(written(tmp_path, "seed = = 1", "bad.toml"))


def test_no_two_parts_share_a_port() -> None:
    numbers = [port.number for port in PORTS.values()]
    assert len(set(numbers)) == len(numbers)


def test_the_fl_servers_runs_have_the_variables_that_its_containers_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "[federation]\nmin_clients = 3\nmax_rounds = 7\nport = 9081\n")
    monkeypatch.setenv("MIN_CLIENTS", "4")
    monkeypatch.setenv("AGGREGATION_STRATEGY", "fedadam")
    monkeypatch.setenv("CLIENT_FRACTION", "0.5")
    monkeypatch.setenv("FL_SERVER_HOSTS", "lab.example, fl.example")
    found = load().federation
    assert (found.min_clients, found.max_rounds, found.port) == (4, 7, 9081)
    assert (found.aggregation_strategy, found.client_fraction) == ("fedadam", 0.5)
    assert found.hosts == ("lab.example", "fl.example")


def test_differential_privacy_is_refused_rather_than_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIFFERENTIAL_PRIVACY", "false")
    assert load().federation.differential_privacy is False
    monkeypatch.setenv("DIFFERENTIAL_PRIVACY", "true")
    with pytest.raises(SettingsError, match=r"DIFFERENTIAL_PRIVACY .* not built yet"):
        load()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FEDSIGHT_MONITORS_TARGETS", "a=http://ann:SECRET@node:9100/metrics"),
        ("FEDSIGHT_ALERTS_ALERTMANAGER_URLS", "http://ann:SECRET@manager:9093"),
        ("FL_SERVER_URL", "http://ann:SECR/ET@node"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as error:
        load()
    assert "SECR" not in str(error.value)
