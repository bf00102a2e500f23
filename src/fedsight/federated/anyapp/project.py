"""A Flower app as its pyproject.toml describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from flwr.common.config import (
    flatten_dict,
    fuse_dicts,
    get_project_config,
    parse_config_args,
    validate_config,
)

from fedsight.errors import UsageError

SETTINGS_FILE = "pyproject.toml"

ConfigValue = bool | float | int | str


@dataclass(frozen=True)
class FlowerApp:
    """An app in `folder`: its name, and the references of its two parts.

    `config` is what its parts see as their run's configuration, `overrides` what of it was set for
    this run.
    """

    folder: Path
    name: str
    server: str
    client: str
    config: Mapping[str, ConfigValue]
    overrides: Mapping[str, ConfigValue] = field(default_factory=dict)


def read(folder: Path, sets: Sequence[str] = ()) -> FlowerApp:
    """The app in `folder`; each of `sets` is `key=value`, the value as in TOML.

    Raises UsageError where there is no app that has rounds to run, or no such key.
    """
    project = _project(folder)
    app = project["tool"]["flwr"]["app"]
    components = app["components"]
    if "serverapp" not in components:
        raise UsageError(
            f"{folder} is an AgentApp ({components['agentapp']}), which trains no model in rounds;"
            " an app that can be run here has a serverapp and a clientapp"
        )
    if "clientapp" not in components:
        raise _no_app(folder, "it names no clientapp in [tool.flwr.app.components]")
    overrides = _overrides(sets)
    return FlowerApp(
        folder.resolve(),
        str(project["project"]["name"]),
        str(components["serverapp"]),
        str(components["clientapp"]),
        _fused(folder, app.get("config", {}), overrides),
        overrides,
    )


def _project(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no directory; a Flower app is one with a {SETTINGS_FILE}")
    try:
        project = get_project_config(folder)
        right, errors, _ = validate_config(project, check_module=False)
    except FileNotFoundError:
        raise UsageError(f"{folder} is no Flower app: it has no {SETTINGS_FILE}") from None
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise _no_app(folder, str(error)) from error
    if not right:
        raise _no_app(folder, "; ".join(errors))
    return project


def _no_app(folder: Path, why: str) -> UsageError:
    said = " ".join(why.replace(f"Invalid {SETTINGS_FILE}:", "").replace("  - ", "").split())
    return UsageError(f"{folder / SETTINGS_FILE} describes no Flower app: {said}")


def _overrides(sets: Sequence[str]) -> dict[str, ConfigValue]:
    for one in sets:
        if "=" not in one:
            raise UsageError(f"--set takes key=value, got {one!r}")
    try:
        return parse_config_args(list(sets))
    except (click.ClickException, ValueError) as error:
        said = " ".join(map(repr, sets))
        raise UsageError(
            f"--set {said} cannot be read: a value is a number, true, false, or a text in double"
            " quotes"
        ) from error


def _fused(
    folder: Path, defaults: dict[str, Any], overrides: dict[str, ConfigValue]
) -> dict[str, ConfigValue]:
    known = flatten_dict(defaults)
    strange = sorted(overrides.keys() - known.keys())
    if strange:
        there = ", ".join(sorted(known)) or "none"
        raise UsageError(
            f"--set {strange[0]}: the app in {folder} has no such key; there are {there}"
        )
    return fuse_dicts(known, overrides)
