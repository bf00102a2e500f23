"""`fedsight serve forecast`: the forecaster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.attached import collector_url
from fedsight.cli.monitoring import fl_server_url
from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import Settings, load
from fedsight.errors import MissingExtraError

if TYPE_CHECKING:
    from fedsight.forecast.service.forecasting import Forecasting
    from fedsight.forecast.service.options import ForecastOptions
    from fedsight.forecast.service.predictor import Versions

EXAMPLES = """Examples:

fedsight serve forecast

fedsight serve forecast --model r-3fa9c01b/20

curl http://127.0.0.1:8084/forecast
"""


def forecast(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8084")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A model version.",
            metavar="VERSION",
            show_default="the newest promoted one of task telemetry, else the newest",
        ),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Foresee every node's load, memory and power, with intervals, and measure the errors.

    Prints `listening on URL` once it does. Reads the windows of telemetry and the model store of
    the data directory; what it foresees and how wrong it was is journaled there and sent to its
    collector while one answers. Bound beyond loopback, every request needs the token of the data
    directory.
    """
    try:
        from fedsight.cli.forecast_versions import StoredVersions
        from fedsight.forecast.service.running import run
    except ImportError as error:
        raise MissingExtraError(
            f"what the forecaster needs ({error.name})", "federated,telemetry,torch"
        ) from error

    settings = load(config)
    log_to_stderr(settings.log.level)
    options = _options(settings, host, port, until_stdin_closes)
    wanted = settings.forecast.model if model is None else model
    versions = StoredVersions(settings.model_folder, settings.personal_folder, wanted)

    def made(token: str) -> Forecasting:
        return _forecasting(settings, options, versions, token)

    run(options, made)


def _options(
    settings: Settings, host: str | None, port: int | None, until_stdin_closes: bool
) -> ForecastOptions:
    from fedsight.forecast.service.options import DriftRule, ForecastOptions

    own = settings.forecast
    return ForecastOptions(
        data=settings.data,
        host=own.host if host is None else host,
        port=own.port if port is None else port,
        hosts=own.hosts,
        interval=own.interval_seconds,
        told=own.horizons,
        period=own.period_hours * 3600,
        grace=own.grace_minutes * 60,
        retrain=own.retrain,
        drift=DriftRule(ratio=own.drift_ratio),
        cool_down=own.cool_down_minutes * 60,
        fl_server=fl_server_url(settings),
        journal_bytes=settings.journal.max_bytes,
        until_stdin_closes=until_stdin_closes,
    )


def _forecasting(
    settings: Settings, options: ForecastOptions, versions: Versions, token: str
) -> Forecasting:
    """The forecaster over what other rooms have: model versions, windows, the collector."""
    from fedsight.forecast.service.forecasting import Forecasting
    from fedsight.forecast.service.retraining import FlServer
    from fedsight.journal.proven import ProvenSink
    from fedsight.telemetry.windows.opening import opened

    collector = settings.collector
    sink = ProvenSink(
        collector_url(settings, collector.port), settings.data, token, collector.trust.verify()
    )
    return Forecasting(
        options,
        versions,
        opened(settings.windows, settings.windows_folder),
        sink,
        FlServer(options.fl_server, token),
    )
