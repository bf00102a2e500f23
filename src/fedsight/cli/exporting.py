"""An export as a command makes it: by a collector that is up, or from the store directly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsight.cli.attached import PortInUseError, answers, collector_url, token
from fedsight.config import Settings
from fedsight.errors import FedsightError, UsageError

if TYPE_CHECKING:
    import httpx

LOOK_SECONDS = 0.2
ANSWER_SECONDS = 30.0
BLOCK = 2**20


@dataclass(frozen=True)
class Asked:
    """What is wanted; no table or component named: all."""

    run: str | None
    form: str
    grain: str
    tables: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None

    def body(self) -> dict[str, Any]:
        """The body of `POST /api/v1/export`."""
        said: dict[str, Any] = {
            "experiment_id": self.run,
            "format": self.form,
            "aggregation": self.grain,
            "start_time": self.start,
            "end_time": self.end,
        }
        if self.tables:
            said["tables"] = list(self.tables)
        if self.components:
            said["components"] = list(self.components)
        return said


Advance = Callable[[float], None]


@contextmanager
def bar(title: str) -> Iterator[Advance]:
    """A bar on standard error, where that is a terminal; takes the share that is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda share: progress.update(task, completed=share)


def from_store(settings: Settings, asked: Asked, target: Path) -> None:
    """Make the archive without a collector. Raises UsageError for a time that is none."""
    import duckdb
    import msgspec

    from fedsight.collector.export.job import write_archive
    from fedsight.collector.export.request import ExportRequest, scope_of
    from fedsight.collector.export.source import ClosedSource
    from fedsight.door.refusal import BadFieldError

    try:
        scope = scope_of(msgspec.convert(asked.body(), ExportRequest))
    except BadFieldError as error:
        raise UsageError(f"{_flag(error.field)}: {error}") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"this cannot be exported: {error}") from None
    if settings.store.backend == "influxdb" and "samples" in scope.tables:
        raise FedsightError(
            "samples are kept in InfluxDB: start a collector (fedsight serve collector) and export"
            " again, or leave them out with --table"
        )
    source = ClosedSource(settings.data)
    folder = target.parent / "work"
    folder.mkdir()
    try:
        with bar("export") as advance:
            write_archive(source, scope, folder, target, _Looking(advance))
    except (OSError, duckdb.Error) as error:
        raise FedsightError(f"cannot write the export: {error}") from error
    finally:
        source.close()


class _Looking:
    """As `Watch`: moves the bar."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance

    def begins(self, interrupt: Callable[[], None]) -> None:
        """Ctrl-C breaks off by itself."""

    def step(self, share: float, written: int) -> None:
        """Show it."""
        self._advance(share)


def _flag(field: str) -> str:
    return {"start_time": "--from", "end_time": "--to", "tables": "--table"}.get(field, field)


def from_collector(settings: Settings, asked: Asked, target: Path) -> bool:
    """Have the collector that is up make the archive and fetch it; False where none is."""
    port = settings.collector.port
    try:
        if not port or not answers(settings, port):
            return False
    except PortInUseError:
        return False
    import httpx

    with httpx.Client(
        base_url=collector_url(settings, port),
        verify=settings.collector.trust.verify(),
        headers={"Authorization": f"Bearer {token(settings.data)}"},
        timeout=ANSWER_SECONDS,
        trust_env=False,
    ) as client:
        try:
            _fetch(client, asked, target)
        except httpx.HTTPError as error:
            raise FedsightError(f"the collector went away during the export: {error}") from error
        except OSError as error:
            raise FedsightError(f"cannot write the export: {error.strerror or error}") from error
    return True


def _fetch(client: httpx.Client, asked: Asked, target: Path) -> None:
    found = _told(client.post("/api/v1/export", json=asked.body()))
    address = f"/api/v1/exports/{found['export_id']}"
    try:
        with bar("export") as advance:
            while found["state"] in ("queued", "running"):
                advance(found["progress"])
                time.sleep(LOOK_SECONDS)
                found = _told(client.get(address))
        if found["state"] != "done":
            raise FedsightError(f"the export failed: {found['error']}")
        _download(client, found["download_url"], target, found["file_size"])
    finally:
        client.delete(address)


def _download(client: httpx.Client, url: str, target: Path, total: int) -> None:
    with (
        client.stream("GET", url) as response,
        target.open("wb") as out,
        bar("download") as advance,
    ):
        response.raise_for_status()
        for block in response.iter_bytes(BLOCK):
            out.write(block)
            advance(out.tell() / max(1, total))


def _told(answer: httpx.Response) -> dict[str, Any]:
    """The answer's JSON; raises UsageError or FedsightError with the collector's own sentence."""
    status = answer.status_code
    try:
        said: dict[str, Any] = answer.json()
        if status < 400:
            return said
        error = said["error"]
        message, field = error["message"], error.get("field", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FedsightError(f"the collector answered {status} and not why") from None
    if status == 422:
        raise UsageError(f"{_flag(field)}: {message}")
    raise FedsightError(f"the collector refused: {message}")
