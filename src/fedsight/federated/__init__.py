"""Federated training on Flower: the only room that imports flwr.

Flower reads its settings when it is imported: it must not report home, look for updates or
install packages of its own accord.
"""

from __future__ import annotations

import importlib.util
import os

from fedsight.errors import MissingExtraError

for _setting, _value in {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_setting, _value)

for _module, _extra in {"flwr": "federated", "torch": "torch"}.items():
    if importlib.util.find_spec(_module) is None:
        raise MissingExtraError(_module, _extra)
