"""A session of its own for an app that `flwr run` started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flwr.serverapp import Grid
from flwr.superlink.grid.inmemory_grid import InMemoryGrid

from fedsight.config import Settings, load
from fedsight.federated.anyapp.session import AppSession, AppSteering, Opening
from fedsight.federated.anyapp.watching import namer
from fedsight.federated.plan import DEPLOYMENT, SIMULATION
from fedsight.federated.runs.telling import ModelKeeper
from fedsight.federated.versions import ModelStore, RunKeeper
from fedsight.journal import Journal, Shipper
from fedsight.journal.proven import ProvenSink

FLUSH_SECONDS = 2.0
_UNNAMED = "flower app"


@contextmanager
def own_session(grid: Grid) -> Iterator[AppSession]:
    """A session that journals into the data directory, and ships while a collector answers.

    What was not shipped waits there for the next collector. Raises SettingsError or JournalError.
    """
    settings = load(None)
    from fedsight.federated.training import new_run_id

    run_id = new_run_id()
    app = _app(grid)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    journal = Journal(settings.journals, run_id, max_bytes=settings.journal.max_bytes)
    try:
        with _shipping(settings, journal) as flush:
            yield AppSession(
                Opening(app, SIMULATION if isinstance(grid, InMemoryGrid) else DEPLOYMENT),
                journal,
                run_id,
                AppSteering(),
                models=_models(settings, run_id, app),
                name=namer(grid),
            )
            flush()
    finally:
        journal.discard()


@contextmanager
def _shipping(settings: Settings, journal: Journal) -> Iterator[Callable[[], object]]:
    """Ship while there is a collector with a token; nothing where there is none yet."""
    token = settings.data / "token"
    if not token.is_file():
        yield lambda: None
        return
    place = settings.collector
    url = f"{place.scheme}://{place.host}:{place.port}"
    shown = token.read_text(encoding="utf-8").strip()
    sink = ProvenSink(url, settings.data, shown, place.trust.verify())
    try:
        with Shipper(journal, sink) as shipper:
            yield lambda: shipper.flush(FLUSH_SECONDS)
    finally:
        sink.close()


def _models(settings: Settings, run_id: str, app: str) -> ModelKeeper:
    return RunKeeper(ModelStore(settings.model_folder), run_id, app, settings.models.keep)


def _app(grid: Grid) -> str:
    """The app's name, where Flower's run tells it."""
    try:
        return str(grid.run.fab_id).rpartition("/")[2] or _UNNAMED
    except (RuntimeError, TypeError, AttributeError):
        return _UNNAMED
