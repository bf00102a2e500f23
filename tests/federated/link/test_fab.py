"""Bundles without code, as Flower reads them."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest
from flwr.common.config import flatten_dict, get_fab_config, get_metadata_from_config
from hypothesis import given
from hypothesis import strategies as some

from fedsight.errors import UsageError
from fedsight.federated.link.fab import CLIENT_APP, bundle
from fedsight.federated.plan import Plan

KEYS = some.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)
TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = some.booleans() | some.integers(-(2**63), 2**63 - 1) | some.floats() | TEXTS


def config_of(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = flatten_dict(get_fab_config(content)["tool"]["flwr"]["app"]["config"])
    return found


@given(some.dictionaries(KEYS, VALUES, max_size=8))
def test_flower_reads_the_configuration_as_it_was(config: dict[str, Any]) -> None:
    found = config_of(bundle(config, "n").content)
    assert found.keys() == config.keys()
    for key, value in config.items():
        assert type(found[key]) is type(value)
        same = found[key] == value or (math.isnan(value) and math.isnan(found[key]))
        assert same


def test_a_plan_comes_back_from_a_bundle() -> None:
    plan = Plan(task="digits", nodes=4, rounds=7, lr=0.025, seed=2**62)
    assert Plan.of(config_of(bundle(plan.config(), "n").content)) == plan


def test_it_names_the_apps_and_nothing_travels_with_it() -> None:
    made = bundle({}, "n")
    config = get_fab_config(made.content)
    assert config["tool"]["flwr"]["app"]["components"]["clientapp"] == CLIENT_APP
    assert get_metadata_from_config(config) == ("fedsight/fedsight-run", "1.0.0")
    assert made.digest == hashlib.sha256(made.content).hexdigest()
    assert len(made.content) < 2000


def test_each_nonce_makes_another_bundle_and_the_same_the_same() -> None:
    assert bundle({"a": 1}, "x") == bundle({"a": 1}, "x")
    assert bundle({"a": 1}, "x").digest != bundle({"a": 1}, "y").digest


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, 2**63])
def test_what_a_configuration_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="configuration"):
        bundle({"key": value}, "n")
