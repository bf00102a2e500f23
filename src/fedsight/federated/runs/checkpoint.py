"""A run's checkpoint: all that the next round depends on, in one file, written after each round.

<data>/checkpoints/RUN.safetensors holds the arrays, and in its header a JSON text with the plan,
the round and the facts. Reading it runs nothing. It replaces the one before in one step, so that
there is always a whole one; the journal's record of its round is in it, so that a run that is
killed between the two neither loses the round nor tells it twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.flat import Vector
from fedsight.federated.plan import Plan
from fedsight.federated.plan.plan import Flat
from fedsight.federated.runs.state import GOVERNANCE, PARTS, State, part
from fedsight.journal import Journal
from fedsight.journal.codec import Codec
from fedsight.signals import Batch, Json

SUFFIX = ".safetensors"
VERSION = 1

_FACTS = "fedsight"
_MODEL = "model"
_RECORD = "record"
_STATE = "state/"
#: Records of a journal that are looked at together for its last round.
_LOOKED_AT = 200
_ENDS = frozenset({"ROUND_COMPLETED", "ROUND_FAILED"})

#: What the file's format calls NumPy's types.
_DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64", "uint8": "U8"}
_ALIGNED = 8
_BLOCK = 2**22

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file beside the arrays. `facts` are those of the state."""

    version: int
    run: str
    round: int
    plan: dict[str, bool | float | int | str]
    facts: dict[str, Json]


@dataclass(frozen=True)
class Checkpoint:
    """A run after `round`: its plan, the global model as a vector, the state of its parts.

    `record` is what the round gave, as it was journaled or was about to be.
    """

    run: str
    round: int
    plan: Flat
    model: Vector
    state: State
    record: Batch

    @property
    def governed(self) -> bool:
        """Whether policy decided on the run."""
        return bool(part(part(self.state, PARTS), GOVERNANCE).facts)


@dataclass(frozen=True)
class Resumption:
    """Where to go on from, and which round is the last that the journal has already.

    That is one before the checkpoint's where the run was killed between the two, and one after it
    where the checkpoint could not be written.
    """

    checkpoint: Checkpoint
    told: int


class Checkpoints:
    """The checkpoints in `folder`, which need not be there yet: one a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, run: str) -> Path:
        """Where the run's checkpoint is. Raises UsageError where no run may be called so."""
        if not _RUN.fullmatch(run):
            raise UsageError(f"a run's name must match {_RUN.pattern}, got {run!r}")
        return self.folder / f"{run}{SUFFIX}"

    def write(self, one: Checkpoint) -> None:
        """Replace the run's checkpoint; returns once the new one is on disk.

        Raises FedsightError where it cannot be written; the one before is then still there.
        """
        header = Header(
            version=VERSION,
            run=one.run,
            round=one.round,
            plan=one.plan,
            facts=dict(one.state.facts),
        )
        arrays: dict[str, np.ndarray[Any, Any]] = {
            _MODEL: one.model,
            _RECORD: np.frombuffer(Codec().encode(one.record), np.uint8),
        }
        arrays |= {f"{_STATE}{name}": array for name, array in one.state.arrays.items()}
        text = msgspec.json.encode(header).decode()
        path = self.path(one.run)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(path, lambda out: _put(out, arrays, text))
        except OSError as error:
            raise FedsightError(f"cannot write the checkpoint {path}: {error.strerror}") from error

    def read(self, run: str) -> Checkpoint:
        """The run's checkpoint. Raises UsageError where there is none or it cannot be read."""
        path = self.path(run)
        if not path.is_file():
            raise UsageError(f"run {run} has no checkpoint in {self.folder}; {self._there()}")
        try:
            with safe_open(path, framework="numpy") as opened:
                text = (opened.metadata() or {})[_FACTS]
                header = msgspec.json.decode(text, type=Header)
                arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            if header.version != VERSION or header.run != run:
                raise ValueError(f"it is version {header.version} of run {header.run!r}")
            return _checkpoint(header, arrays)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise UsageError(f"the checkpoint {path} cannot be read: {error}") from error

    def remove(self, run: str) -> None:
        """Remove the checkpoint of a run that has ended."""
        self.path(run).unlink(missing_ok=True)

    def runs(self) -> list[str]:
        """The runs that have one, the newest first."""
        found = sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda path: -path.stat().st_mtime)
        return [path.stem for path in found]

    def _there(self) -> str:
        runs = self.runs()
        return f"there are {', '.join(runs[:5])}" if runs else "no run was cut off"


def _checkpoint(header: Header, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Checkpoint:
    kept = {
        name.removeprefix(_STATE): array
        for name, array in arrays.items()
        if name.startswith(_STATE)
    }
    record = Codec().decode(arrays[_RECORD].tobytes())
    state = State(header.facts, kept)
    return Checkpoint(header.run, header.round, header.plan, arrays[_MODEL], state, record)


def _put(out: IO[bytes], arrays: Mapping[str, np.ndarray[Any, Any]], text: str) -> None:
    """Write a safetensors file, one array after the other: together they may not fit in memory.

    https://github.com/huggingface/safetensors#format
    """
    head: dict[str, object] = {"__metadata__": {_FACTS: text}}
    at = 0
    for name, array in arrays.items():
        place = [at, at := at + array.nbytes]
        head[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": place,
        }
    said = msgspec.json.encode(head)
    said += b" " * (-len(said) % _ALIGNED)
    out.write(len(said).to_bytes(8, "little"))
    out.write(said)
    for array in arrays.values():
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, len(flat), _BLOCK):
            out.write(flat[start : start + _BLOCK].data)


def _replace(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()  # on a full disk most of all
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def resumption(checkpoint: Checkpoint, journal: Journal) -> Resumption:
    """How the run goes on in `journal`, its own."""
    return Resumption(checkpoint, _last_told(checkpoint.run, journal))


def _last_told(run: str, journal: Journal) -> int:
    """The last round whose end the journal tells, 0 where it tells of none.

    Looked for from the journal's end on: there may be many events since, and rounds may be large.
    """
    upto = journal.last_seq
    while upto >= journal.oldest_seq:
        after = at = max(upto - _LOOKED_AT, journal.oldest_seq - 1)
        told = 0
        while at < upto and (records := journal.read(at, upto - at)):
            at = records[-1].seq
            events = [event for record in records for event in record.batch.events]
            rounds = [one.round or 0 for one in events if one.run == run and one.kind in _ENDS]
            told = max([told, *rounds])
        if told:
            return told
        upto = after
    return 0


def changes(before: Flat, given: Mapping[str, object]) -> list[str]:
    """What a resume asks to be different: "lr: 0.05 -> 0.1" for each key of `given` that is."""
    whole = Plan.of(before).config()
    return [
        f"{key}: {whole.get(key)} -> {value}"
        for key, value in given.items()
        if whole.get(key) != value
    ]
