"""Keeps a run's models as it trains: writes each, drops what the settings no longer want."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fedsight.errors import ModelError
from fedsight.federated.versions import manifest as manifests
from fedsight.federated.versions import writing
from fedsight.federated.versions.manifest import Layout, Manifest, Metrics
from fedsight.federated.versions.names import Version, run_name
from fedsight.federated.versions.retention import droppable
from fedsight.federated.versions.store import ModelStore, unwritable
from fedsight.federated.versions.tags import TagBook

if TYPE_CHECKING:
    from torch import Tensor


class RunKeeper:
    """Writes one run's models to `store`; keeps the newest `keep` untagged ones and the best.

    With `keep` 0 nothing is written. `model` is what the task says that its model is built from.
    Raises UsageError where no run may be called `run`.
    """

    def __init__(
        self,
        store: ModelStore,
        run: str,
        task: str,
        keep: int,
        model: Mapping[str, Any] | None = None,
    ) -> None:
        self._store = store
        self._tags = TagBook(store)
        self._run = run_name(run)
        self._task = task
        self._keep = keep
        self._model = None if model is None else dict(model)
        self._kept: list[Manifest] = []
        self._last: Version | None = None

    def go_on_from(self, round: int) -> None:
        """A resumed run goes on after `round`: what it kept of later rounds is removed.

        Raises ModelError where a version cannot be removed.
        """
        if self._keep == 0:
            return
        with self._store.locked():
            kept = sorted(self._store.scan(self._run).versions, key=lambda one: one.round)
            self._store.remove(one.name for one in kept if one.round > round)
            self._kept = [one for one in kept if one.round <= round]
        self._last = self._kept[-1].name if self._kept else None

    @property
    def latest(self) -> Version | None:
        """The newest version on disk."""
        return self._last

    def keep(self, round: int, state: Mapping[str, Tensor], metrics: Metrics) -> None:
        """Write the model of `round`, whose tensors `state` names as its state dict does.

        Returns once it is on disk. Raises ModelError where it cannot be written; then nothing of
        it is there.
        """
        if self._keep == 0:
            return
        version = Version(self._run, round)
        with self._store.locked():
            if self._last is None:
                self._store.clean()
            self._kept.append(self._written(version, state, metrics))
            self._last = version
            self._drop()

    def _written(self, version: Version, state: Mapping[str, Tensor], metrics: Metrics) -> Manifest:
        parent = None if self._last is None else str(self._last)
        created = _now()
        facts = manifests.header(version, parent, self._task, created)
        content = _serialised(state, facts | manifests.figures(metrics))
        manifest = Manifest(
            version=str(version),
            run=version.run,
            round=version.round,
            parent=parent,
            task=self._task,
            created=created,
            metrics=metrics,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            tensors=tuple(_layout(state)),
            model=self._model,
        )
        self._write(version, manifests.encode(manifest), content)
        return manifest

    def _write(self, version: Version, manifest: bytes, content: bytes) -> None:
        said, model = self._store.manifest_file(version), self._store.model_file(version)
        if said.exists() or model.exists():
            raise ModelError(f"model {version} is there already, and a version never changes")
        try:
            writing.make_folder(model.parent)
            writing.write_pair(said, manifest, model, content)
        except OSError as error:
            raise unwritable(self._store.folder, error) from error

    def _drop(self) -> None:
        going = droppable(self._kept, self._tags.read().held(), keep=self._keep)
        self._store.remove(one.name for one in going)
        self._kept = [one for one in self._kept if one not in going]


def _serialised(state: Mapping[str, Tensor], facts: dict[str, str]) -> bytes:
    """The tensors in safetensors format; tied ones stand in it under each of their names."""
    import torch
    from safetensors.torch import save

    def own(tensor: Tensor) -> Tensor:
        return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)

    return save({name: own(tensor) for name, tensor in state.items()}, facts)


def _layout(state: Mapping[str, Tensor]) -> list[Layout]:
    return [
        Layout(name, tuple(one.shape), str(one.dtype).removeprefix("torch."))
        for name, one in state.items()
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
