"""`fedsight serve bridge`: OTLP in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from fedsight.cli.attached import collector_url
from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import Settings, load
from fedsight.door.hosts import is_loopback
from fedsight.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from fedsight.telemetry.bridge.options import BridgeOptions, Upstream

EXAMPLES = """Examples:

fedsight serve bridge

fedsight serve bridge --forward minutes

fedsight serve bridge --host 10.0.0.5 --tls-cert server.pem --tls-key server.key
"""


def bridge(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(help="Port for gRPC; 0: any free one.", show_default="4317")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Port for HTTP; 0: any free one.", show_default="4318")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) for TLS.", metavar="FILE")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM).", metavar="FILE")
    ] = None,
    forward: Annotated[
        str | None,
        typer.Option(
            help="What goes on to the collector: nothing, minutes, rows, or auto.",
            show_default="bridge.forward",
        ),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Take OTLP over gRPC and HTTP: metrics, logs and traces, into windows and to the collector.

    Prints `listening on URL` for each once it does. Bound beyond loopback, every request needs the
    token of the data directory.
    """
    try:
        from fedsight.telemetry.bridge.service import run
        from fedsight.telemetry.windows.opening import configured, opened
    except ImportError as error:
        raise MissingExtraError(f"what the bridge needs ({error.name})", "telemetry") from error

    settings = load(config)
    log_to_stderr(settings.log.level)
    options = bridge_options(settings, forward=forward, tls_cert=tls_cert, tls_key=tls_key)
    own = settings.bridge
    options = replace(
        options,
        host=own.host if host is None else host,
        grpc_port=own.grpc_port if grpc_port is None else grpc_port,
        http_port=own.http_port if http_port is None else http_port,
        until_stdin_closes=until_stdin_closes,
    )
    folder = settings.windows.path or settings.data / "windows"
    run(options, opened(settings.windows, folder), configured(settings.windows))


def bridge_options(
    settings: Settings,
    *,
    forward: str | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> BridgeOptions:
    """What the settings say of a bridge; raises UsageError."""
    from fedsight.door.tls import Tls
    from fedsight.telemetry.bridge.notices import Clocks
    from fedsight.telemetry.bridge.options import BridgeOptions

    own = settings.bridge
    upstream = _upstream(settings)
    wanted = own.forward if forward is None else forward
    if wanted == "auto":
        wanted = "rows" if is_loopback(_host_of(upstream.url)) else "minutes"
    return BridgeOptions(
        data=settings.data,
        hosts=own.hosts,
        always_token=own.token == "always",
        tls=Tls.of(tls_cert or own.tls_cert, tls_key or own.tls_key),
        forward=wanted,  # type: ignore[arg-type]
        upstream=upstream,
        lateness=round(own.lateness_seconds * 1e9),
        message_bytes=own.message_mb * 2**20,
        waiting_bytes=own.waiting_mb * 2**20,
        calls=own.calls,
        labels=own.labels,
        all_spans=own.spans == "all",
        severity=own.severity,
        clocks=Clocks(round(own.ahead_seconds * 1e9), round(own.behind_seconds * 1e9)),
        journal_bytes=settings.journal.max_bytes,
    )


def _upstream(settings: Settings) -> Upstream:
    from fedsight.config.trust import Trust
    from fedsight.telemetry.bridge.options import Upstream

    own = settings.bridge
    if own.collector_url is None:
        url = collector_url(settings, settings.collector.port)
        return Upstream(url, None, settings.collector.trust.verify())
    if own.collector_token_file is None:
        raise UsageError("bridge.collector_url needs bridge.collector_token_file, its token")
    if own.collector_url.startswith("http://") and not is_loopback(_host_of(own.collector_url)):
        raise UsageError(
            f"bridge.collector_url must be https, got {own.collector_url}: its token would be"
            " readable on the way"
        )
    try:
        token = own.collector_token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the token file {own.collector_token_file}: {error}"
        ) from None
    return Upstream(own.collector_url, token, Trust(own.collector_ca).verify())


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
