"""Federated training on Flower: the only room that imports flwr.

Flower reads its settings when it is imported: it must not report home, look for updates or
install packages of its own accord.

`from fedsight.federated import Observed` is what a Flower app's server may add to its strategy; it
is looked up when it is asked for, since nothing else of this room is imported with it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any

from fedsight.errors import MissingExtraError

if TYPE_CHECKING:
    from fedsight.federated.anyapp.observed import Observed
    from fedsight.federated.node.governed import governed_mod

__all__ = ["Observed", "governed_mod"]

#: Where they are, once they are wanted.
_LATER = {
    "Observed": "fedsight.federated.anyapp.observed",
    "governed_mod": "fedsight.federated.node.governed",
}

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


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
