"""An app's own bundle (FAB), made from its folder by Flower's own builder."""

from __future__ import annotations

import hashlib

from flwr.cli.build import build_fab_from_files
from flwr.cli.utils import AppPathDepthError, collect_files

from fedsight.errors import UsageError
from fedsight.federated.anyapp.project import SETTINGS_FILE, FlowerApp
from fedsight.federated.link.fab import Bundle


def bundled(app: FlowerApp, nonce: str) -> Bundle:
    """The app's bundle; another `nonce` gives another digest, by which our task is told apart.

    Raises UsageError where Flower cannot build it.
    """
    try:
        files = dict[str, "bytes"]()
        for name, path in collect_files(app.folder).items():
            files[name] = path.read_bytes()
        files[SETTINGS_FILE] += f'\n[tool.fedsight-{nonce}]\nsubmission = "{nonce}"\n'.encode()
        content, _ = build_fab_from_files(dict(files))
    except (ValueError, OSError, AppPathDepthError) as error:
        said = " ".join(str(error).split())
        raise UsageError(f"no bundle can be made of the app in {app.folder}: {said}") from error
    return Bundle(content, hashlib.sha256(content).hexdigest(), app.overrides)
