"""Model versions over HTTP: the same store, tags and rules as `fedsight models`.

These read and write files: routes call them in a thread.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.errors import ModelError, UsageError
from fedsight.federated.api.events import EventLog
from fedsight.federated.api.parameters import ModelsQuery
from fedsight.federated.api.rows import Comparison, Damaged, Model, ModelPage, Tagged, TagRequest
from fedsight.federated.promotion import Promotions
from fedsight.federated.versions import PRODUCTION, Manifest, ModelStore, TagBook
from fedsight.federated.versions.comparison import differences
from fedsight.federated.versions.names import run_name, tag_name
from fedsight.federated.versions.references import full_run, resolve
from fedsight.federated.versions.retention import age_key
from fedsight.federated.versions.tags import Tags

#: Who asks with the data directory's token.
DIRECTORY = "directory"


class Models:
    """What the routes of model versions ask. Changes are told to the log."""

    def __init__(self, store: ModelStore, log: EventLog, promotions: Promotions) -> None:
        self._store = store
        self._promotions = promotions
        self._book = TagBook(store)
        self._log = log

    def page(self, query: ModelsQuery) -> ModelPage:
        """Versions, newest first."""
        tags = self._tags()
        run = None if query.run is None else self._run(query.run)
        found = self._store.scan(run)
        newest = sorted(found.versions, key=age_key, reverse=True)
        return ModelPage(
            [_row(one, tags) for one in newest[query.offset : query.offset + query.limit]],
            len(newest),
            [Damaged(str(fault.version), fault.reason) for fault in found.faults],
            tags.production,
        )

    def one(self, text: str) -> Model:
        """The version that `text` means, with its tensors."""
        found = self._find(text)
        return msgspec.structs.replace(_row(found, self._tags()), tensors=found.tensors)

    def compare(self, a: str, b: str) -> Comparison:
        """Two versions side by side."""
        one, two = self._find(a), self._find(b)
        less: dict[str, Any] = differences(one, two)
        return Comparison(one.version, two.version, **less)

    def tag(self, text: str, request: TagRequest) -> Tagged:
        """Give the version a name."""
        found = self._find(text)
        _check_tag(request.tag)
        try:
            before = self._book.tag(found.name, request.tag, move=request.move)
        except UsageError as error:  # another has it, or the version went away meanwhile
            taken = str(error).replace("--force moves it", '"move": true moves it')
            raise RefusedError(409, "conflict", taken, field="tag") from error
        except ModelError as error:
            raise _damaged(error) from error
        self._told("MODEL_TAGGED", found.version, request.tag, before)
        return Tagged(found.version, request.tag, before)

    def promote(self, text: str) -> Tagged:
        """Make the version, seen to be whole, the one tagged `production`, where policy lets it."""
        found = self._find(text)
        reason = self._store.fault(found)
        if reason is not None:
            raise RefusedError(409, "damaged", f"model {found.version} is damaged: {reason}")
        refusal = self._promotions.refusal(found, DIRECTORY)
        if refusal is not None:
            raise RefusedError(403, "policy", f"refused by policy: {refusal}")
        try:
            before = self._book.promote(found.name)
        except (UsageError, ModelError) as error:
            raise _damaged(error) from error
        self._told("MODEL_PROMOTED", found.version, PRODUCTION, before)
        return Tagged(found.version, PRODUCTION, before)

    def rollback(self) -> Tagged:
        """Go back to the version that was `production` before."""
        try:
            left, now = self._book.rollback()
        except (UsageError, ModelError) as error:
            raise RefusedError(409, "conflict", str(error)) from error
        self._told("MODEL_ROLLED_BACK", now, PRODUCTION, left)
        return Tagged(now, PRODUCTION, left)

    def fault(self) -> str | None:
        """Why the models cannot be read, None where they can."""
        try:
            self._store.runs()
            self._book.read()
        except ModelError as error:
            return str(error)
        return None

    def _find(self, text: str) -> Manifest:
        try:
            return resolve(self._store, self._tags(), text)
        except UsageError as error:
            raise RefusedError(404, "not_found", _over_http(error)) from error
        except ModelError as error:
            raise _damaged(error) from error

    def _run(self, text: str) -> str:
        try:
            return full_run(self._store, run_name(text))
        except UsageError as error:
            raise RefusedError(404, "not_found", _over_http(error), field="run") from error

    def _tags(self) -> Tags:
        try:
            return self._book.read()
        except ModelError as error:
            raise _damaged(error) from error

    def _told(self, kind: str, version: str, tag: str, before: str | None) -> None:
        self._log.say(kind, {"version": version, "tag": tag, "before": before})


def _row(one: Manifest, tags: Tags) -> Model:
    return Model(
        one.version,
        one.run,
        one.round,
        one.parent,
        one.task,
        one.created,
        one.metrics,
        one.size,
        one.sha256,
        tags.of(one.version),
    )


def _check_tag(name: str) -> None:
    try:
        if tag_name(name) == PRODUCTION:
            raise UsageError("production is moved by promote and rollback alone")
    except UsageError as error:
        raise BadFieldError("tag", str(error)) from None


def _damaged(error: Exception) -> RefusedError:
    return RefusedError(409, "damaged", str(error))


def _over_http(error: UsageError) -> str:
    """The sentence without the command that helps in a terminal."""
    return str(error).split("; `fedsight", 1)[0]
