"""The wait for a first history: rows of telemetry as they arrive, until nodes have enough."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedsight.cli.placing import OWN
from fedsight.cli.screen import Screen
from fedsight.config import Settings
from fedsight.errors import FedsightError

if TYPE_CHECKING:
    from fedsight.forecast.places import Standing
    from fedsight.tasks.task import Growing

LOOK_SECONDS = 1.0
#: With no new row for so long nothing is going to come: an agent sends every three minutes.
QUIET_SECONDS = 240.0
#: Where nothing at all is there after so long, it is said how it would come.
HINT_SECONDS = 10.0
#: Telemetry that comes at its pace is there by then, twice over.
PATIENCE = 2.0

HINT = (
    "let telemetry come in, each in a terminal of its own: fedsight serve exporter, fedsight serve"
    " bridge, fedsight serve agent (FEDSIGHT_AGENT_BATCH_SECONDS=3 sends at once); or name recorded"
    " series with --data DIR, a CSV file a node"
)


def wait_for_rows(
    settings: Settings, given: Mapping[str, Any], screen: Screen, quiet: float = QUIET_SECONDS
) -> None:
    """Return once enough nodes have the history that the task asked for needs, if it needs one.

    Shows how many rows there are, and of how many. Raises FedsightError, saying how rows come in,
    where no new one comes for `quiet` seconds.
    """
    from fedsight.tasks import defaults
    from fedsight.tasks.task import Growing, load

    name = str(given.get("task", settings.run.task))
    if given.get("data", settings.run.data) or defaults(name).get("partition") != OWN:
        return
    task = load(name, str(given.get("columns", settings.run.columns)))
    if isinstance(task, Growing):
        said = given.get("nodes")
        if said is None and "nodes" in settings.run.model_fields_set:
            said = settings.run.nodes
        _wait(task, settings, said or 1, screen, quiet)


def _wait(task: Growing, settings: Settings, wanted: int, screen: Screen, quiet: float) -> None:
    source = str(settings.windows_folder)
    found = task.standings(source)
    if _ready(found) >= wanted:
        _tell_left_out(found, screen)
        return
    step = settings.windows.interval_seconds
    needed = task.rows_needed()
    screen.say(
        f"waiting for the telemetry of {wanted} or more nodes in {source}: {needed} rows each,"
        f" one every {step:g} s, about {needed * step / 60:.0f} minutes of history"
    )
    began = heard = time.monotonic()
    rows, hinted = _rows(found), False
    with screen.arriving() as show:
        while _ready(found) < wanted:
            show({node: (one.rows, one.needed, one.lacking) for node, one in found.items()})
            now = time.monotonic()
            if now - heard > quiet or now - began > quiet + PATIENCE * needed * step:
                raise FedsightError(f"{_said(found, heard, now)}: {HINT}")
            if not found and not hinted and now - began > HINT_SECONDS:
                hinted = True
                screen.say(f"  none yet: {HINT}", "yellow")
            time.sleep(LOOK_SECONDS)
            found = task.standings(source)
            if _rows(found) != rows:
                rows, heard = _rows(found), time.monotonic()
    _tell_left_out(found, screen)


def _ready(found: Mapping[str, Standing]) -> int:
    return sum(one.lacking is None for one in found.values())


def _rows(found: Mapping[str, Standing]) -> dict[str, int]:
    """What changes with every row: a full window's length does not, but then it has enough."""
    return {node: one.rows for node, one in found.items()}


def _said(found: Mapping[str, Standing], heard: float, now: float) -> str:
    lacks = "; ".join(f"{node} has {one.lacking}" for node, one in found.items() if one.lacking)
    return f"no telemetry came in {now - heard:.0f} s" + (f" ({lacks})" if lacks else "")


def _tell_left_out(found: Mapping[str, Standing], screen: Screen) -> None:
    for node, one in found.items():
        if one.lacking is not None:
            screen.say(f"  {node} is not in this run: {one.lacking}", "yellow")
