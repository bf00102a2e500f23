"""From what a person types to one version: a name, `latest`, `best`, `RUN/best` or a tag."""

from __future__ import annotations

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import retention
from fedsight.federated.versions.manifest import Manifest
from fedsight.federated.versions.names import BEST, LATEST, Version, is_run, version
from fedsight.federated.versions.store import Fault, ModelStore
from fedsight.federated.versions.tags import Tags

ALLOWED = "a version is RUN/ROUND, RUN/latest, RUN/best, latest, best or a tag"


def resolve(store: ModelStore, tags: Tags, text: str) -> Manifest:
    """The version that `text` means; RUN may be the beginning of a run's id.

    Raises UsageError where there is none, ModelError where its manifest is damaged.
    """
    if text in (LATEST, BEST):
        return _chosen(store, None, text)
    if "/" not in text:
        return _read(store, _tagged(tags, text), text)
    run, _, which = text.partition("/")
    if not is_run(run):
        raise _unknown(text)
    run = full_run(store, run)
    if which in (LATEST, BEST):
        return _chosen(store, run, which)
    named = version(f"{run}/{which}")
    if named is None:
        raise _unknown(text)
    return _read(store, named, text)


def _chosen(store: ModelStore, run: str | None, which: str) -> Manifest:
    found = store.scan(run)
    choose = retention.latest if which == LATEST else retention.best
    chosen = choose(found.versions)
    if chosen is not None:
        return chosen
    of = "" if run is None else f" of run {run}"
    if not found.versions:
        raise UsageError(f"there is no model{of}")
    raise UsageError(f"no {which} model{of}: neither accuracy nor loss of any is known")


def _tagged(tags: Tags, text: str) -> Version:
    name = tags.named().get(text)
    found = None if name is None else version(name)
    if found is None:
        raise _unknown(text)
    return found


def _read(store: ModelStore, named: Version, text: str) -> Manifest:
    try:
        found = store.read(named)
    except ModelError as error:
        raise ModelError(str(Fault(named, str(error)))) from error
    if found is None:
        raise UsageError(f"no model {text!r}; `fedsight models list` shows what there is")
    return found


def full_run(store: ModelStore, beginning: str) -> str:
    """The one run with models whose id begins so. Raises UsageError for none, or several."""
    runs = store.runs()
    if beginning in runs:
        return beginning
    found = [run for run in runs if run.startswith(beginning)]
    if len(found) > 1:
        raise UsageError(f"run {beginning!r} could be any of {', '.join(found[:5])}")
    if not found:
        raise UsageError(f"no model of run {beginning[:80]!r}; `fedsight models list` shows all")
    return found[0]


def _unknown(text: str) -> UsageError:
    return UsageError(f"no model {text[:80]!r}; {ALLOWED}")
