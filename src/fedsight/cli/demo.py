"""`fedsight demo`: everything on one machine, to look at."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

import httpx
import typer

from fedsight.cli.attached import Collector, make_writable
from fedsight.cli.interrupts import INTERRUPTS
from fedsight.cli.kept import collector
from fedsight.cli.options import Config
from fedsight.cli.screen import Screen
from fedsight.cli.services import Service, port_near
from fedsight.config import (
    CONFIG_VARIABLE,
    LOOPBACK,
    PORTS,
    CollectorSettings,
    GeneralSettings,
    Section,
    Settings,
    load,
)
from fedsight.config.bridge import BridgeSettings
from fedsight.config.forecast import ForecastSettings
from fedsight.config.telemetry import AgentSettings, ExporterSettings
from fedsight.config.windows import WindowSettings
from fedsight.errors import FedsightError, UsageError

if TYPE_CHECKING:
    from fedsight.federated.training import Outcome

EXAMPLES = """[bold]Examples[/]

fedsight demo telemetry: until Ctrl-C

fedsight demo telemetry --rounds 5 --interval 1 --exit: ends with the first live forecast
"""
FOLDER = "demo-telemetry"
#: Rows of a generated node's history: what a model learns from has to be longer than a window of
#: a few minutes.
HISTORY_ROWS = 1500
MOST_NODES = 64
LOOK_SECONDS = 0.5
ASK_SECONDS = 5.0
#: A live forecast comes once this host has as many rows as a model looks back; and some time more.
PATIENCE_SECONDS = 120.0

app = typer.Typer(no_args_is_help=True, help="Show all of it at work, on this machine alone.")


@app.callback()
def root() -> None:
    """Show all of it at work, on this machine alone."""


@app.command(epilog=EXAMPLES)
def telemetry(
    nodes: Annotated[int, typer.Option(help="How many generated nodes train.")] = 4,
    rounds: Annotated[int, typer.Option(help="How many rounds.")] = 20,
    interval: Annotated[float, typer.Option(help="Seconds between two rows of telemetry.")] = 3.0,
    columns: Annotated[
        str, typer.Option(help="What to foresee of power_consumption, cpu_usage, memory_usage.")
    ] = "",
    port: Annotated[
        int | None,
        typer.Option(help="The dashboard's port; 0: any free one.", show_default="8083"),
    ] = None,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End with the first live forecast.")
    ] = False,
    config: Config = None,
) -> int:
    """Foresee this host's power, load and memory, with every part that has to do with it.

    Starts the exporter, the agent, the bridge, a collector with its dashboard and the forecaster;
    trains a forecasting model over generated nodes, which are called so; and shows what it foresees
    of this host, live. All of it has a data directory of its own, DATA/demo-telemetry, listens on
    this machine alone, and ends with Ctrl-C.
    """
    for name, value, least, most in (
        ("nodes", nodes, 1, MOST_NODES),
        ("rounds", rounds, 1, 1000),
        ("interval", interval, 0.5, 60.0),
    ):
        if not least <= value <= most:
            raise UsageError(f"{name} must be a number from {least:g} to {most:g}, got {value:g}")
    INTERRUPTS.listen()
    settings = _own(load(config), interval)
    make_writable(settings.data)
    wanted = settings.collector.port if port is None else port
    demo = Demo(settings, Screen(), nodes, rounds, columns)
    return demo.run(wanted if wanted == 0 else port_near(wanted), stay=not exit_)


def _own(settings: Settings, interval: float) -> Settings:
    """The settings with a data directory of the demo's own, and its pace."""
    data = settings.data / FOLDER
    folder = data / f"windows-{interval:g}s"  # windows have one pace for good
    windows = {"store": "local", "path": folder, "interval_seconds": interval}
    windows["max_rows"] = HISTORY_ROWS
    forecast_url = f"http://{LOOPBACK}:{port_near(PORTS['forecast'].number)}"
    return replace(
        settings,
        data=data,
        windows=settings.windows.model_copy(update=windows),
        services=settings.services.model_copy(update={"forecast_url": forecast_url}),
        collector=settings.collector.model_copy(update={"host": LOOPBACK}),
    )


@dataclass
class Demo:
    """One demonstration."""

    settings: Settings
    screen: Screen
    nodes: int
    rounds: int
    columns: str
    live: bool = False
    """All of it is up and shown: from here on Ctrl-C is how it ends."""

    def run(self, port: int, *, stay: bool) -> int:
        """Bring all of it up, train, show the first live forecast; with `stay` until Ctrl-C.

        Ctrl-C before that interrupts; after it, it is how the demonstration ends.
        """
        with ExitStack() as open_:
            try:
                return self._shown(open_, port, stay)
            except KeyboardInterrupt:
                if not self.live:
                    raise
                return 0
            finally:
                INTERRUPTS.leave()

    def _shown(self, open_: ExitStack, port: int, stay: bool) -> int:
        tell = partial(self.screen.say, style="yellow")
        reached = open_.enter_context(collector(self.settings, port, False, tell))
        self.screen.say(f"dashboard at {reached.url}", "bold")
        services = open_.enter_context(self._services(reached))
        open_.enter_context(self._generated(_bridge_of(services)))
        outcome = self._train(reached)
        if outcome.state != "finished":
            return 1
        self._show_forecast(services)
        self.live = True
        self.screen.say(f"live forecasts at {reached.url}/#/telemetry", "bold")
        while stay:
            self._look_after(services)
        return 0

    @contextmanager
    def _services(self, reached: Collector) -> Iterator[list[Service]]:
        """Exporter, bridge, agent and forecaster, in the order in which they need one another."""
        began, logs = time.monotonic(), self.settings.data / "logs"
        with ExitStack() as open_:
            services = []
            for name, environment in _environments(self.settings, reached).items():
                service = Service(name, environment, logs)
                open_.callback(service.stop)
                service.start()
                services.append(service)
            names = ", ".join(service.name for service in services)
            took = time.monotonic() - began
            self.screen.say(f"{names} are up after {took:.1f} s, logs in {logs}")
            yield services

    @contextmanager
    def _generated(self, bridge: str) -> Iterator[None]:
        """Generated nodes send some history, and a row more at each interval."""
        from fedsight.cli.generated import Generated
        from fedsight.forecast.generated import PREFIX

        step = round(self.settings.windows.interval_seconds * 1e9)
        with Generated(bridge, self.nodes, step, HISTORY_ROWS).running():
            self.screen.say(
                f"{self.nodes} generated nodes with {HISTORY_ROWS} rows each: {PREFIX}1 to"
                f" {PREFIX}{self.nodes}; their telemetry is made by a formula, this host's is real"
            )
            yield

    def _train(self, reached: Collector) -> Outcome:
        from fedsight.cli.plan_options import plan
        from fedsight.cli.running import Asked, Running

        given = {"task": "telemetry", "rounds": self.rounds, "personal": True}
        given |= {"engine": "simulation"} | ({"columns": self.columns} if self.columns else {})
        asked = plan(self.settings.run, given, self.settings.windows_folder)
        port = urlsplit(reached.url).port or 0
        running = Running(self.settings, Asked(asked), self.screen)
        return running.run(port, stay=False, on_end=lambda *_: None)

    def _show_forecast(self, services: list[Service]) -> None:
        """Say the first forecast of this host. Raises FedsightError where none comes in time."""
        host, base = socket.gethostname(), self.settings.services.forecast_url
        patience = PATIENCE_SECONDS + 100 * self.settings.windows.interval_seconds
        deadline, said = time.monotonic() + patience, ""
        while (found := _asked(f"{base}/forecast/{quote(host, safe='')}")).get("forecasts") is None:
            if time.monotonic() > deadline:
                raise FedsightError(f"no forecast of {host} in {patience:.0f} s: {said}")
            standing = _standing(base, host)
            if standing != said:
                said = standing
                self.screen.say(f"  {said}")
            self._look_after(services)
        for line in foreseen(found):
            self.screen.say(line)

    def _look_after(self, services: list[Service]) -> None:
        for service in services:
            complaint = service.look()
            if complaint is not None:
                self.screen.say(complaint, "yellow")
        time.sleep(LOOK_SECONDS)


Environment = dict[str, str]


def _bridge_of(services: list[Service]) -> str:
    """Where agents send to."""
    (agent,) = (one for one in services if one.name == "agent")
    return agent.environment[AgentSettings.variable("endpoint")]


def _environments(settings: Settings, reached: Collector) -> dict[str, Environment]:
    """What each service is told, by its name; ports that others have are left to them."""
    exporter, otlp = port_near(PORTS["exporter"].number), port_near(PORTS["otlp_grpc"].number)
    pace = settings.windows.interval_seconds
    shared = _said(GeneralSettings, data=settings.data)
    shared |= _said(CollectorSettings, host=LOOPBACK, port=urlsplit(reached.url).port)
    shared |= _said(
        WindowSettings,
        store="local",
        path=settings.windows_folder,
        interval_seconds=pace,
        max_rows=HISTORY_ROWS,
    )
    if settings.file is not None:
        shared[CONFIG_VARIABLE] = str(settings.file)
    target = f"scaphandre-metrics=http://{LOOPBACK}:{exporter}/metrics"
    forecast = urlsplit(settings.services.forecast_url).port
    http = port_near(PORTS["otlp_http"].number)
    behind = max(7200, 2 * HISTORY_ROWS * pace)  # generated history is no clock that is wrong
    own = {
        "exporter": _said(ExporterSettings, host=LOOPBACK, port=exporter),
        "bridge": _said(
            BridgeSettings,
            host=LOOPBACK,
            grpc_port=otlp,
            http_port=http,
            behind_seconds=behind,
        ),
        "agent": _said(
            AgentSettings,
            host=LOOPBACK,
            port=0,
            node="",
            targets=target,
            endpoint=f"http://{LOOPBACK}:{otlp}",
            interval_seconds=pace,
            scrape_timeout_seconds=pace * 0.8,
            batch_seconds=pace,
        ),
        "forecast": _said(ForecastSettings, host=LOOPBACK, port=forecast, interval_seconds=pace),
    }
    return {name: shared | environment for name, environment in own.items()}


def _said(section: type[Section], **values: object) -> Environment:
    """Settings as a child's environment says them."""
    return {section.variable(field): str(value) for field, value in values.items()}


def _asked(url: str) -> dict[str, Any]:
    """What the forecaster answers; nothing while it has none or is away."""
    try:
        answer = httpx.get(url, timeout=ASK_SECONDS, trust_env=False)
        return dict(answer.json()) if answer.status_code == 200 else {}
    except (httpx.HTTPError, ValueError):
        return {}


def _standing(base: str, host: str) -> str:
    """How far this host is."""
    found = _asked(f"{base}/forecast")
    for one in found.get("nodes", []):
        if one["node"] == host:
            return str(one["message"] or f"{one['rows']} of {one['wanted']} rows")
    return str(found.get("problem") or "no telemetry yet")


def foreseen(found: Mapping[str, Any]) -> list[str]:
    """What is foreseen of a node, a line a metric: at the end of the horizon, with its interval."""
    minutes = found["step_seconds"] * found["horizon"] / 60
    lines = [f"{found['node']} in {minutes:.1f} minutes, by model {found['model']}:"]
    for one in found["forecasts"]:
        levels = sorted(one["quantiles"], key=float)
        low, high = (one["quantiles"][level][-1] for level in (levels[0], levels[-1]))
        middle = one["quantiles"][levels[len(levels) // 2]][-1]
        measured = [value for value in one["observed"]["values"] if value is not None]
        now = f"{measured[-1]:.4g}" if measured else "unknown"
        unit = f" {one['unit']}" if one["unit"] else ""
        name = one["metric"].replace("_", " ")
        lines.append(f"  {name:<18} now {now}{unit}, then {middle:.4g} ({low:.4g} to {high:.4g})")
    return lines
