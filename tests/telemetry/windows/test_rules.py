"""Rules on what goes into windows: declarative, and what is absent never holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fedsight.config.windows import WindowSettings
from fedsight.errors import UsageError
from fedsight.telemetry.windows import BridgeConfiguration, ResourceConfiguration, Rule
from fedsight.telemetry.windows.opening import configured
from fedsight.telemetry.windows.rules import SCAPHANDRE, scaphandre

EDGE = {"service.name": "scaphandre-metrics", "site": "lab-1", "empty": ""}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (Rule("site", "eq", "lab-1"), True),
        (Rule("site", "eq", "lab"), False),
        (Rule("site", "ne", "lab"), True),
        (Rule("site", "ne", "lab-1"), False),
        (Rule("site", "in", ("lab-1", "lab-2")), True),
        (Rule("site", "in", ("lab",)), False),
        (Rule("site", "regex", "lab-[0-9]"), True),
        (Rule("site", "regex", "lab"), False),
        (Rule("site", "exists"), True),
        (Rule("empty", "exists"), True),
        (Rule("empty", "eq", ""), True),
    ],
)
def test_operators(rule: Rule, holds: bool) -> None:
    assert rule.holds(EDGE) is holds


@pytest.mark.parametrize(
    "rule",
    [
        Rule("gone", "eq", ""),
        Rule("gone", "ne", "x"),
        Rule("gone", "in", ("", "None")),
        Rule("gone", "regex", ".*"),
        Rule("gone", "exists"),
    ],
)
def test_an_absent_attribute_never_holds(rule: Rule) -> None:
    assert not rule.holds(EDGE)


@pytest.mark.parametrize(
    ("pattern", "said", "holds"),
    [
        ("x*", "x" * 2000, True),
        ("x*", "x" * 1000 + "/../y", False),
        (".*", "two\nlines\0", True),
        # A pattern that tries every way to part the letters would not end in our lives.
        ("([a-z]+)+", "a" * 2000 + "!", False),
    ],
)
def test_a_pattern_is_matched_against_all_of_an_attribute(
    pattern: str, said: str, holds: bool
) -> None:
    assert Rule("a", "regex", pattern).holds({"a": said}) is holds


@pytest.mark.parametrize(
    ("key", "operator", "value", "words"),
    [
        ("a", "like", "b", "must be one of eq, ne, in, regex, exists, got 'like'"),
        ("a", "in", "b", "a rule with in needs a list of texts, got 'b'"),
        ("a", "eq", ("b",), "a rule with eq needs a text"),
        ("a", "regex", "(", "of a window's rule is wrong"),
        ("a", "regex", "(?=a)", "of a window's rule is wrong"),
        ("a", "regex", "x" * 201, "at most 200 characters"),
    ],
)
def test_a_rule_that_is_none_is_refused(
    key: str, operator: str, value: str | tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Rule(key, operator, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "rules", "metrics", "words"),
    [
        ("../x", (Rule("a", "exists"),), ("m",), "must be called by letters"),
        ("x.y", (Rule("a", "exists"),), ("m",), "must be called by letters"),
        ("x", (), ("m",), "needs a rule"),
        ("x", (Rule("a", "exists"),), (), "needs names of metrics"),
        ("x", (Rule("a", "exists"),), ("m", "a b"), "got 'a b'"),
    ],
)
def test_a_configuration_that_is_none_is_refused(
    name: str, rules: tuple[Rule, ...], metrics: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        ResourceConfiguration(name, rules, metrics)


def test_all_rules_of_a_configuration_must_hold() -> None:
    configuration = BridgeConfiguration()
    lab, edge = Rule("site", "regex", "lab-.*"), Rule("service.name", "eq", SCAPHANDRE)
    configuration.set_res_config(ResourceConfiguration("both", (lab, edge), ("m",)))
    configuration.set_res_config(ResourceConfiguration("one", (lab,), ("m",)))
    matching = configuration.get_matching_res_configs(EDGE)
    assert [each.name for each in matching] == ["both", "one"]
    assert [each.name for each in configuration.get_matching_res_configs({"site": "lab-2"})] == [
        "one"
    ]
    configuration.set_res_config(ResourceConfiguration("one", (edge,), ("m",)))
    assert configuration.get_matching_res_configs({"site": "lab-2"}) == []
    configuration.remove_res_config("one")
    with pytest.raises(UsageError, match="there is no configuration 'one'"):
        configuration.remove_res_config("one")


def test_unless_set_otherwise_it_is_scaphandre() -> None:
    assert configured(WindowSettings()) == scaphandre()
    assert scaphandre().get_matching_res_configs(EDGE)
    assert not scaphandre().get_matching_res_configs({"host.name": "x"})


def test_configurations_come_from_settings_and_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {
        "name": "gpu",
        "rules": [
            {"key": "site", "operator": "in", "value": ["lab-1"]},
            {"key": "gpu", "operator": "exists"},
        ],
        "metrics": ["gpu_watts"],
    }
    settings = WindowSettings(configurations=[table])  # type: ignore[list-item]
    assert [*configured(settings).configurations] == ["gpu"]
    text = '[{"name": "x", "rules": [{"key": "a", "operator": "exists"}], "metrics": ["m"]}]'
    monkeypatch.setenv("FEDSIGHT_WINDOWS_CONFIGURATIONS", text)
    assert [*configured(WindowSettings()).configurations] == ["x"]


def test_the_example_of_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "windows.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    settings = WindowSettings(**tomllib.loads(block)["windows"])
    (found,) = configured(settings).get_matching_res_configs(
        {"service.name": "scaphandre-metrics", "deployment.environment": "lab"}
    )
    assert found.metrics == ("scaph_host_power_microwatts", "scaph_host_load_avg_one")
