"""The folder of models: what is there, whether it is whole, and copies of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import writing
from fedsight.federated.versions.manifest import MOST_BYTES, Manifest, decode, disagreement
from fedsight.federated.versions.names import Version, is_round, is_run
from fedsight.journal.ownership import Ownership

LOCK = ".lock"
LOCK_SECONDS = 30.0
MODEL, MANIFEST = ".safetensors", ".json"

_CHUNK = 2**20


@dataclass(frozen=True)
class Fault:
    """A version that is not whole, and why."""

    version: Version
    reason: str

    def __str__(self) -> str:
        return f"model {self.version} is damaged: {self.reason}"


@dataclass(frozen=True)
class Found:
    """What a look into the store gave: versions in no order, and those that are not whole."""

    versions: list[Manifest]
    faults: list[Fault]


class ModelStore:
    """The models beneath `folder`, which need not be there yet.

    Reading needs no lock: what has a manifest is whole. Whoever writes, removes or tags holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model_file(self, version: Version) -> Path:
        """Where the version's tensors are."""
        return self.folder / version.run / f"{version.round}{MODEL}"

    def manifest_file(self, version: Version) -> Path:
        """Where the version's manifest is."""
        return self.folder / version.run / f"{version.round}{MANIFEST}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing. Raises ModelError where one does not end."""
        try:
            writing.make_folder(self.folder)
            ownership = Ownership(self.folder / LOCK)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            if not ownership.acquire(LOCK_SECONDS):
                raise ModelError(
                    f"another process has written to {self.folder} for {LOCK_SECONDS:.0f} s;"
                    " try again when it has ended"
                )
            yield
        finally:
            ownership.release()

    def runs(self) -> list[str]:
        """The runs that have a folder of models."""
        return [name for name in _names(self.folder) if is_run(name) and self._is_folder(name)]

    def _is_folder(self, name: str) -> bool:
        path = self.folder / name
        return path.is_dir() and not path.is_symlink()

    def scan(self, run: str | None = None) -> Found:
        """Every version, of one run or of all; the files of tensors are not read."""
        found = Found([], [])
        for each in self.runs() if run is None else [run]:
            for version in self._versions(each):
                try:
                    manifest = self.read(version)
                except ModelError as error:
                    found.faults.append(Fault(version, str(error)))
                else:
                    if manifest is not None:
                        found.versions.append(manifest)
        return found

    def _versions(self, run: str) -> list[Version]:
        """Versions of which a manifest or a model is there."""
        paths = [Path(name) for name in _names(self.folder / run)]
        numbers = {path.stem for path in paths if path.suffix in (MODEL, MANIFEST)}
        return [Version(run, int(text)) for text in sorted(numbers) if is_round(text)]

    def read(self, version: Version) -> Manifest | None:
        """The version's manifest, None where there is no such version.

        Raises ModelError, with the reason alone, where it cannot be read or is missing.
        """
        path = self.manifest_file(version)
        try:
            with _opened(path) as source:
                return decode(source.read(MOST_BYTES + 1), version)
        except FileNotFoundError:
            # What is written or removed at this moment passes through here: look again.
            if self._lacks_manifest(version) and self._lacks_manifest(version):
                raise ModelError(f"its manifest {path} is missing") from None
            return None
        except OSError as error:
            raise ModelError(f"its manifest {path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ModelError(str(error)) from error

    def _lacks_manifest(self, version: Version) -> bool:
        manifest, model = self.manifest_file(version), self.model_file(version)
        return not writing.is_leftover(manifest, model) and not manifest.exists() and model.exists()

    def fault(self, manifest: Manifest) -> str | None:
        """What is wrong with the version's file, None where it is whole.

        A version that was removed meanwhile has no fault.
        """
        reason = self._compared(manifest, lambda _: None)
        gone = reason is not None and not self.manifest_file(manifest.name).exists()
        return None if gone else reason

    def copy(self, manifest: Manifest, output: Path) -> None:
        """Copy the version's file to `output`, which is replaced only by a whole one.

        Raises ModelError where the version is damaged or `output` cannot be written, UsageError
        where that is a directory.
        """
        if output.is_dir():
            raise UsageError(f"the output must be a file, got the directory {output}")
        draft = output.with_name(f".{output.name}.{os.getpid()}.part")
        try:
            with draft.open("wb") as out:
                reason = self._compared(manifest, out.write)
                out.flush()
                os.fsync(out.fileno())
            if reason is not None:
                raise ModelError(str(Fault(manifest.name, reason)))
            draft.replace(output)
        except OSError as error:
            raise ModelError(f"cannot write {output}: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)

    def _compared(self, manifest: Manifest, write: Callable[[bytes], object]) -> str | None:
        """Read the file once, hand it to `write`, and say where it is not what it should be."""
        path = self.model_file(manifest.name)
        digest, size = hashlib.sha256(), 0
        try:
            source = _opened(path)
        except FileNotFoundError:
            return f"its file {path} is missing"
        except OSError as error:
            return f"its file {path} cannot be read: {error.strerror}"
        with source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                write(chunk)
        if size != manifest.size:
            return f"{path} has {size} bytes, its manifest says {manifest.size}"
        if digest.hexdigest() != manifest.sha256:
            return f"the SHA-256 of {path} is {digest.hexdigest()}, not its manifest's"
        return disagreement(manifest, str(path))

    def remove(self, versions: Iterable[Version]) -> None:
        """Remove versions; for who holds the lock. Raises ModelError where one cannot be."""
        for version in versions:
            try:
                writing.remove_pair(self.manifest_file(version), self.model_file(version))
            except OSError as error:
                raise ModelError(f"cannot remove model {version}: {error.strerror}") from error

    def clean(self) -> int:
        """Remove what killed processes left, for who holds the lock; returns how many files."""
        try:
            writing.draft_of(self.folder / "tags.json").unlink(missing_ok=True)
            return sum(writing.remove_leftovers(self.folder / run) for run in self.runs())
        except OSError as error:
            raise unwritable(self.folder, error) from error


def unwritable(folder: Path, error: OSError) -> ModelError:
    """The one sentence for a folder of models that cannot be written."""
    return ModelError(f"cannot write to the folder of models {folder}: {error.strerror or error}")


def _names(folder: Path) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ModelError(f"cannot read {folder}: {error.strerror}") from error


def _opened(path: Path) -> BinaryIO:
    """The file, never through a link: a store holds its own files."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")
