"""The Flower App Bundle of a run: a zip with nothing but a pyproject.toml.

Code is not sent to nodes: each has fedsight installed. The bundle names the ServerApp and the
ClientApp and holds the run's configuration, which nodes get as `context.run_config`.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO

from fedsight.errors import UsageError

CLIENT_APP = "fedsight.federated.node.client:app"
SERVER_APP = "fedsight.federated.link.placeholder:app"

ConfigValue = bool | float | int | str

_DATE = (2024, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """A bundle and its SHA-256, by which Flower knows it; `overrides` of its configuration."""

    content: bytes
    digest: str
    overrides: Mapping[str, ConfigValue] = field(default_factory=dict)


def bundle(
    config: Mapping[str, ConfigValue],
    nonce: str,
    *,
    client_app: str = CLIENT_APP,
    server_app: str = SERVER_APP,
) -> Bundle:
    """A bundle of that configuration; another `nonce` gives another digest."""
    project = _pyproject(config, nonce, client_app, server_app).encode()
    manifest = f"pyproject.toml,{hashlib.sha256(project).hexdigest()},{len(project) * 8}"
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("pyproject.toml", _DATE), project)
        archive.writestr(zipfile.ZipInfo(".info/CONTENT", _DATE), manifest)
    content = buffer.getvalue()
    return Bundle(content, hashlib.sha256(content).hexdigest())


def _pyproject(
    config: Mapping[str, ConfigValue], nonce: str, client_app: str, server_app: str
) -> str:
    lines = [
        "[project]",
        'name = "fedsight-run"',
        'version = "1.0.0"',
        f"description = {_toml(f'submission {nonce}')}",
        "[tool.flwr.app]",
        'publisher = "fedsight"',
        "[tool.flwr.app.components]",
        f"serverapp = {_toml(server_app)}",
        f"clientapp = {_toml(client_app)}",
        "[tool.flwr.app.config]",
        *(f"{_toml(key)} = {_toml(value)}" for key, value in config.items()),
    ]
    return "\n".join([*lines, ""])


def _toml(value: object) -> str:
    """A value as TOML; raises UsageError for what a Flower configuration cannot hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UsageError(f"a whole number of a run's configuration has 64 bits, got {value}")
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise UsageError(f"a run's configuration holds numbers, texts and yes or no, got {value!r}")
