"""Model versions of the task `telemetry`, from the model store to the forecaster."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.numpy import load_file

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import Manifest, ModelStore, TagBook
from fedsight.federated.versions.names import version
from fedsight.federated.versions.references import resolve
from fedsight.federated.versions.retention import latest
from fedsight.telemetry.windows import is_node

if TYPE_CHECKING:
    from fedsight.forecast.service.loading import Arrays
    from fedsight.forecast.service.predictor import Loaded

logger = logging.getLogger(__name__)

TASK = "telemetry"
SUFFIX = ".safetensors"

#: A version, and when each node's own model of its run was written.
Seen = tuple[str, tuple[tuple[str, int], ...]]


class StoredVersions:
    """`wanted`, else the version of the task that was promoted last, else the newest one.

    In `personal` each node has a folder with a model of its own for each run, `RUN.safetensors`.
    """

    def __init__(self, folder: Path, personal: Path, wanted: str = "") -> None:
        self._store = ModelStore(folder)
        self._tags = TagBook(self._store)
        self._personal = personal
        self._wanted = wanted
        self._seen: Seen | None = None

    def newest(self, than: str | None) -> Loaded | None:
        """As `Versions.newest`; nodes' own models that came since make the same one a newer one."""
        chosen = self._chosen()
        files = self._own(chosen.run)
        times = tuple((node, path.stat().st_mtime_ns) for node, path in files.items())
        seen = (chosen.version, times)
        if than == chosen.version and seen == self._seen:
            return None
        found = self._loaded(chosen, files)
        self._seen = seen
        return found

    def _chosen(self) -> Manifest:
        if self._wanted:
            named = resolve(self._store, self._tags.read(), self._wanted)
            if named.task != TASK:
                raise UsageError(f"model {named.version} is of task {named.task}, not {TASK}")
            return named
        for name in reversed(self._tags.read().promoted):
            promoted = version(name)
            found = None if promoted is None else self._store.read(promoted)
            if found is not None and found.task == TASK:
                return found
        newest = latest(one for one in self._store.scan().versions if one.task == TASK)
        if newest is None:
            raise UsageError(
                f"there is no model of task {TASK} in {self._store.folder} yet;"
                f" `fedsight run --task {TASK}` trains one"
            )
        return newest

    def _own(self, run: str) -> dict[str, Path]:
        """The files of nodes' own models of that run."""
        if not self._personal.is_dir():
            return {}
        files = {
            folder.name: folder / f"{run}{SUFFIX}"
            for folder in sorted(self._personal.iterdir())
            if is_node(folder.name)
        }
        return {node: path for node, path in files.items() if path.is_file()}

    def _loaded(self, chosen: Manifest, own: Mapping[str, Path]) -> Loaded:
        """The version's model. Raises ModelError where a file is damaged."""
        from fedsight.forecast.service.loading import loaded

        if chosen.model is None:
            raise ModelError(f"model {chosen.version} does not say what it is built from")
        fault = self._store.fault(chosen)
        if fault is not None:
            raise ModelError(f"model {chosen.version} is damaged: {fault}")
        arrays = _read(self._store.model_file(chosen.name))
        personal = {node: found for node, path in own.items() if (found := _own_of(path))}
        return loaded(chosen.version, chosen.created, chosen.model, arrays, personal)


def _own_of(path: Path) -> Arrays | None:
    """A node's own model; None, with a warning, where its file is damaged: others are foreseen."""
    try:
        return _read(path)
    except ModelError as error:
        logger.warning("%s; the shared model is used", error)
        return None


def _read(path: Path) -> Arrays:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
