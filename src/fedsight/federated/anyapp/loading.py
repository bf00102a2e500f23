"""Loads an app's two parts into this process, as Flower does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flwr.clientapp import ClientApp
from flwr.clientapp.client_app import LoadClientAppError
from flwr.serverapp import ServerApp
from flwr.serverapp.server_app import LoadServerAppError
from flwr.supercore.object_ref import load_app

from fedsight.errors import UsageError, told
from fedsight.federated.anyapp.project import FlowerApp

T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """The two parts of an app."""

    server: ServerApp
    client: ClientApp


@contextmanager
def loaded(app: FlowerApp) -> Iterator[Loaded]:
    """The app's parts, imported from its folder; its modules are let go of at the end.

    Importing runs the app's code. Raises UsageError where it fails or finds something else.
    """
    before, path = set(sys.modules), list(sys.path)
    try:
        yield Loaded(
            _part(app, app.server, ServerApp, LoadServerAppError),
            _part(app, app.client, ClientApp, LoadClientAppError),
        )
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(app.folder):
                del sys.modules[name]


def _part(app: FlowerApp, reference: str, kind: type[T], error_type: type[Exception]) -> T:
    try:
        found = load_app(reference, error_type, app.folder)
    except error_type as error:
        said = str(error).strip().split("\n")[0]
        raise UsageError(f"{reference} of the app in {app.folder}: {said}") from error
    except (Exception, SystemExit) as error:  # whatever the app's own modules raise when imported
        raise UsageError(
            f"{reference} of the app in {app.folder} cannot be imported: {told(error)}"
        ) from error
    if not isinstance(found, kind):
        raise UsageError(
            f"{reference} of the app in {app.folder} is a {type(found).__name__}, not a"
            f" {kind.__name__}"
        )
    return found
