"""`fedsight doctor`: what is installed, what is missing, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import socket
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fedsight import __version__
from fedsight.cli.attached import LEAST_BYTES, PortInUseError, answers
from fedsight.cli.doctor_policy import governance
from fedsight.cli.doctor_services import services
from fedsight.cli.findings import Finding
from fedsight.cli.options import Config, size
from fedsight.collector.store.schema import FILE_NAME
from fedsight.config import PORTS, Settings, load
from fedsight.errors import StoreError

EXAMPLES = "fedsight doctor && fedsight run: it exits with 1 where a run could not work"

OLDEST, NEWEST = (3, 11), (3, 12)
FREE_BYTES = 2**30
#: What each extra brings, by the module that is imported and the package that has it. A run needs
#: the first; without one of the others only its own part cannot work.
EXTRAS = {
    "federated": {"flwr": "flwr", "safetensors": "safetensors"},
    "torch": {"torch": "torch", "mlxtend": "mlxtend", "sklearn": "scikit-learn"},
}
OWN_PART = {
    "telemetry": {
        "grpc": "grpcio",
        "opentelemetry.proto": "opentelemetry-proto",
        "pandas": "pandas",
        "google.protobuf": "protobuf",
    },
    "dataclay": {"dataclay": "dataclay"},
}
#: What does not work without that extra.
PARTS = {
    "telemetry": "agent, bridge, windows and forecasts cannot work without it",
    "dataclay": "only windows in dataClay need it",
}


def doctor(config: Config = None) -> int:
    """Say what is installed, what is missing and how to mend it."""
    settings = load(config)
    findings = examined(settings)
    console = Console(highlight=False, soft_wrap=True)
    style = {"ok": "green", "note": "yellow", "missing": "bold red"}
    for finding in findings:
        mark = f"[{style[finding.verdict]}]{finding.verdict:<8}[/]"
        mend = f"; {finding.mend}" if finding.mend else ""
        console.print(f"{mark}{finding.what:<22}{escape(finding.found + mend)}")
    return 1 if any(finding.verdict == "missing" for finding in findings) else 0


def examined(settings: Settings) -> list[Finding]:
    """Everything that `fedsight run` stands on, and the services beside it."""
    return [
        Finding("fedsight", "ok", __version__),
        _python(),
        *packages(),
        _dashboard(),
        _data(settings.data),
        _space(settings.data),
        _store(settings.data),
        _journals(settings.journals),
        _port(settings),
        *governance(settings),
        *services(settings),
    ]


def packages() -> list[Finding]:
    """What the extras bring."""
    return [
        _package(extra, module, package)
        for extra, modules in {**EXTRAS, **OWN_PART}.items()
        for module, package in modules.items()
    ]


def _python() -> Finding:
    version = platform.python_version()
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return Finding("python", "ok", f"{version} at {sys.executable}")
    return Finding("python", "missing", version, "fedsight needs Python 3.11 or 3.12")


def _package(extra: str, module: str, package: str) -> Finding:
    if _is_there(module):
        return Finding(package, "ok", importlib.metadata.version(package))
    mend = f"pip install 'fedsight[{extra}]'"
    if extra in PARTS:
        return Finding(package, "note", f"not installed; {PARTS[extra]}", mend)
    return Finding(package, "missing", "not installed", mend)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _dashboard() -> Finding:
    from fedsight.collector.http.static_files import packaged

    if (packaged() / "index.html").is_file():
        return Finding("dashboard", "ok", "built; any browser shows it, none is needed to train")
    return Finding("dashboard", "note", "its pages are not built", "make web")


def _data(data: Path) -> Finding:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=data, prefix=".doctor-") as probe:
            probe.write(bytes(LEAST_BYTES))
            probe.flush()
            return Finding("data directory", "ok", str(data))
    except OSError as error:
        found = f"{data} cannot be written: {error.strerror}"
        return Finding("data directory", "missing", found, "choose another with FEDSIGHT_DATA")


def _space(data: Path) -> Finding:
    there = next(path for path in (data, *data.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free >= FREE_BYTES:
        return Finding("disk space", "ok", f"{size(free)} free")
    return Finding("disk space", "note", f"only {size(free)} free", f"make room on {there}")


def _store(data: Path) -> Finding:
    from fedsight.collector.store.storefile import open_readonly

    aside = sorted(path.name for path in data.glob(f"{FILE_NAME}.corrupt-*Z"))
    kept = f"; kept aside: {', '.join(aside[:3])}" if aside else ""
    if not (data / FILE_NAME).is_file():
        return Finding("store", "ok", f"none yet{kept}")
    try:
        with closing(open_readonly(data)) as store:
            runs = store.execute("SELECT count(*) FROM runs").fetchone()[0]
    except (StoreError, sqlite3.Error) as error:
        return Finding("store", "note", str(error))
    return Finding("store", "ok", f"runs: {runs}, {size((data / FILE_NAME).stat().st_size)}{kept}")


def _journals(folder: Path) -> Finding:
    files = [path for path in folder.glob("*.sqlite*") if path.is_file()]
    runs = sum(path.suffix == ".sqlite" for path in files)
    held = sum(path.stat().st_size for path in files)
    found = f"{runs}, {size(held)}, in {folder}"
    damaged = [path.name for path in files if path.suffix == ".sqlite" and not _is_database(path)]
    if damaged:
        mend = f"passed over: {', '.join(damaged[:3])} is no database; move it away"
        return Finding("journals", "note", found, mend)
    return Finding("journals", "ok", found)


def _is_database(path: Path) -> bool:
    """Whether the file begins as SQLite's do, or is new."""
    from fedsight.collector.store.storefile import MAGIC

    with path.open("rb") as content:
        return content.read(len(MAGIC)) in {MAGIC, b""}


def _port(settings: Settings) -> Finding:
    host, port = settings.collector.host, settings.collector.port
    what = f"port {port}"
    try:
        if port and answers(settings, port):
            return Finding(what, "ok", "the collector of this data directory answers")
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except PortInUseError as error:
        return Finding(what, "note", str(error))
    except OSError as error:
        return Finding(what, "note", f"{host}:{port} cannot be had: {error.strerror}", "say --port")
    return Finding(what, "ok", f"free, for the {PORTS['collector'].what}")
