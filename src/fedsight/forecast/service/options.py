"""How a forecaster is to run: everything that it is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedsight.door.hosts import LOOPBACK_NAMES, is_loopback
from fedsight.errors import SettingsError

Retrain = Literal["never", "suggest", "run"]


@dataclass(frozen=True)
class DriftRule:
    """When the error is said to drift: docs/forecaster.md states the rule.

    The mean loss of the last `recent` scores over the reference's reaches `ratio`; it is looked for
    again once it has been below `calm`. `recent` and `reference` count scored forecasts.
    """

    ratio: float = 1.5
    calm: float = 1.2
    recent: int = 2000
    reference: int = 5000

    def __post_init__(self) -> None:
        if not 1 <= self.calm < self.ratio:
            raise SettingsError(
                f"forecast.drift_ratio must be above 1.2, where the error is calm again,"
                f" got {self.ratio:g}"
            )


@dataclass(frozen=True)
class ForecastOptions:
    """Settings of one forecaster.

    `data` is its data directory; `interval` seconds lie between two looks at the windows; `told`
    are the horizons, in steps, that become samples; `period` seconds back quality is measured;
    `grace` seconds after its time a row may still come before what was foreseen for it is given up.
    `retrain` is what follows drift, at most every `cool_down` seconds; `fl_server` is asked for it.
    Rates are requests a second for each client address.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8084
    hosts: tuple[str, ...] = ()
    interval: float = 30.0
    told: tuple[int, ...] = (1, 10, 100)
    period: float = 86_400.0
    grace: float = 900.0
    retrain: Retrain = "suggest"
    drift: DriftRule = DriftRule()
    cool_down: float = 21_600.0
    fl_server: str = "http://127.0.0.1:8081"
    journal_bytes: int = 64 * 2**20
    until_stdin_closes: bool = False
    body_bytes: int = 64 * 1024
    refused_rate: float = 0.5
    refused_burst: float = 10.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the forecaster, or what passes requests on."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}

    @property
    def journals(self) -> Path:
        """The folder of journals in the data directory."""
        return self.data / "journals"

    @property
    def state(self) -> Path:
        """What must survive a restart: forecasts not yet scored, sums of errors, corrections."""
        return self.data / "forecast" / "state.sqlite"
