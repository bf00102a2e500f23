"""The ClientApp of a run: our own, or another's out of the app bundle (FAB) that the run brings."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import ClassVar

from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.clientapp.client_app import LoadClientAppError
from flwr.common.config import get_fab_config, get_fused_config_from_fab
from flwr.supercore.fab import Fab
from flwr.supercore.object_ref import load_app
from flwr.supercore.run import Run

#: Apps in this package come with fedsight; all others are code that the server sends.
OUR_APPS = "fedsight."
MOST_FILES = 10_000
MOST_BYTES = 256 * 2**20
_SETTINGS_FILE = "pyproject.toml"
_MOST_SETTINGS_BYTES = 2**20


class AppRefusedError(Exception):
    """The run's app cannot be run here; the message says why in one sentence."""


@dataclass(frozen=True)
class RunApp:
    """A run's ClientApp, its reference, and the run's configuration."""

    app: ClientApp
    reference: str
    config: UserConfig

    @property
    def ours(self) -> bool:
        """Whether it is fedsight's own."""
        return self.reference.startswith(OUR_APPS)


class ClientApps:
    """Loads apps. Another's app is unpacked into `folder`, and only where `foreign` allows it."""

    #: Where the process has its modules from: there is one `sys.modules` for all.
    _loaded_from: ClassVar[Path | None] = None

    def __init__(self, folder: Path, foreign: bool) -> None:
        self._folder = folder
        self._foreign = foreign

    def load(self, run: Run, fab: Fab) -> RunApp:
        """The app of that run. Raises AppRefusedError."""
        _verify(run, fab)
        try:
            components = get_fab_config(fab.content)["tool"]["flwr"]["app"]["components"]
            reference = str(components["clientapp"])
            config = get_fused_config_from_fab(fab.content, run)
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise AppRefusedError(f"the run's app bundle cannot be read: {error}") from None
        return RunApp(self._imported(reference, fab), reference, config)

    def _imported(self, reference: str, fab: Fab) -> ClientApp:
        folder = None
        if not reference.startswith(OUR_APPS):
            if not self._foreign:
                raise AppRefusedError(
                    f"this node does not run {reference}, code that the server sends;"
                    " start it with --apps to allow that"
                )
            folder = unpacked(fab, self._folder)
            self._forget_all_but(folder)
        try:
            app = load_app(reference, LoadClientAppError, folder)
        except (LoadClientAppError, ImportError) as error:
            said = str(error).split("\n")[0]
            raise AppRefusedError(f"{reference} cannot be loaded here: {said}") from error
        if not isinstance(app, ClientApp):
            raise AppRefusedError(f"{reference} is no ClientApp but {type(app).__name__}")
        return app

    def _forget_all_but(self, folder: Path) -> None:
        """Let go of the modules of the app before: another's may have the same names."""
        before, ClientApps._loaded_from = ClientApps._loaded_from, folder
        if before is None or before == folder:
            return
        sys.path[:] = [entry for entry in sys.path if entry != str(before)]
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file).is_relative_to(before):
                del sys.modules[name]


def _verify(run: Run, fab: Fab) -> None:
    """That the bundle is the one that the run names, and that reading it is safe."""
    if hashlib.sha256(fab.content).hexdigest() != run.fab_hash:
        raise AppRefusedError("the app bundle is not the one that the run names: its hash differs")
    try:
        with zipfile.ZipFile(BytesIO(fab.content)) as bundle:
            if bundle.getinfo(_SETTINGS_FILE).file_size > _MOST_SETTINGS_BYTES:
                raise AppRefusedError(f"{_SETTINGS_FILE} in the app bundle is larger than 1 MiB")
    except (zipfile.BadZipFile, KeyError):
        raise AppRefusedError("the run's app bundle is no zip file with a pyproject.toml") from None


def unpacked(fab: Fab, folder: Path) -> Path:
    """The bundle's files in a folder of their own, named after its hash. Raises AppRefusedError."""
    target = folder / hashlib.sha256(fab.content).hexdigest()
    if target.is_dir():
        return target
    try:
        _unpack(fab, folder, target)
    except OSError as error:  # a full disk, or a file where the bundle wants a folder
        raise AppRefusedError(
            f"the app bundle cannot be unpacked in {folder}: {error.strerror or error}"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise AppRefusedError(f"the app bundle cannot be unpacked: {error}") from error
    return target


def _unpack(fab: Fab, folder: Path, target: Path) -> None:
    """Beside `target` first, so that it is never there in part."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
    try:
        with zipfile.ZipFile(BytesIO(fab.content)) as bundle:
            _extract(bundle, new)
        os.replace(new, target)
    except OSError:
        if not target.is_dir():  # otherwise another node of this machine was faster
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _extract(bundle: zipfile.ZipFile, folder: Path) -> None:
    entries = [entry for entry in bundle.infolist() if not entry.is_dir()]
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise AppRefusedError(
            f"the app bundle is larger than {MOST_FILES} files or {MOST_BYTES >> 20} MiB"
        )
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        if _leads_out(entry, parts):
            raise AppRefusedError(f"the app bundle has an unsafe file name: {entry.filename!r}")
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The size in the directory may lie: read no more than it says.
        with bundle.open(entry) as packed:
            path.write_bytes(packed.read(entry.file_size))


def _leads_out(entry: zipfile.ZipInfo, parts: tuple[str, ...]) -> bool:
    """Whether it would be written elsewhere, or is a link."""
    return (
        not parts
        or parts[0] == "/"
        or any(part == ".." or "\\" in part or ":" in part for part in parts)
        or stat.S_ISLNK(entry.external_attr >> 16)
    )
