from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from fedsight.cli.plan_options import KEYS, OPTIONS, plan, with_plan_options
from fedsight.config import RunSettings
from fedsight.errors import UsageError
from fedsight.federated.plan import Plan


def test_every_key_of_a_plan_has_a_flag_and_a_setting_with_the_plans_default() -> None:
    assert set(KEYS) == set(Plan.keys()) == set(RunSettings.model_fields)
    defaults = RunSettings().model_dump()
    assert Plan.of({key: value for key, value in defaults.items() if value is not None}) == Plan()


def test_flags_win_over_settings_and_what_is_not_given_stays() -> None:
    settings = RunSettings(nodes=7, algorithm="fedprox")
    found = plan(settings, {"nodes": 3, "port": 1}, Path("windows"))
    assert (found.nodes, found.algorithm.algorithm, found.rounds) == (3, "fedprox", 20)


def test_a_wrong_flag_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="quorum must be a whole number from 0"):
        plan(RunSettings(), {"quorum": -1}, Path("windows"))


def test_a_command_gets_the_flags_in_the_place_of_its_keywords() -> None:
    @with_plan_options
    def command(port: int = 3, **given: Any) -> dict[str, Any]:
        """What it does."""
        return {"port": port, **given}

    assert list(inspect.signature(command).parameters) == ["port", *KEYS]
    assert command.__doc__ == "What it does."
    assert command(port=1, nodes=4, lr=None) == {"port": 1, "nodes": 4}


def test_every_flag_says_what_it_is() -> None:
    assert all(option.help.endswith(".") for option in OPTIONS)
