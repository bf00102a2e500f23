"""What is known of one model version, and the same facts in the header of its file.

A manifest is JSON beside the model. Its facts also stand in the file's own header, under the
file's SHA-256: a copy of the file tells where it comes from, and damage to a manifest shows.
Format of the file: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open

from fedsight.federated.versions.names import Version

#: No manifest is longer than this; one of 10,000 tensors takes about 1 MB.
MOST_BYTES = 16 * 2**20

#: PyTorch's names of the types of numbers, by those in a safetensors header.
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
}


class Layout(msgspec.Struct, frozen=True):
    """One tensor of the file: its name in the state dict, its shape and PyTorch's dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Metrics(msgspec.Struct, frozen=True):
    """What the server's evaluation measured; None where it is not known or not finite."""

    accuracy: float | None
    loss: float | None

    @classmethod
    def measured(cls, accuracy: float | None, loss: float | None) -> Metrics:
        """Metrics without NaN and infinity, which no figure is."""
        return cls(_finite(accuracy), _finite(loss))


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version. `size` is the file's bytes, `created` RFC 3339 UTC, `parent` a version's name.

    The parent is the version that the round started from: None for a run's first round. `model` is
    what its task says that the model is built from, where it says so.
    """

    version: str
    run: str
    round: int
    parent: str | None
    task: str
    created: str
    metrics: Metrics
    size: int
    sha256: str
    tensors: tuple[Layout, ...]
    model: dict[str, Any] | None = None

    @property
    def accuracy(self) -> float | None:
        """Held-out accuracy, a ratio."""
        return self.metrics.accuracy

    @property
    def loss(self) -> float | None:
        """Held-out loss."""
        return self.metrics.loss

    @property
    def name(self) -> Version:
        """The version as a name whose parts are at hand."""
        return Version(self.run, self.round)

    def header(self) -> dict[str, str]:
        """The facts that stand in the file's header, as text; what is not known is left out."""
        return header(Version(self.run, self.round), self.parent, self.task, self.created) | (
            figures(self.metrics)
        )


def header(version: Version, parent: str | None, task: str, created: str) -> dict[str, str]:
    """A file's header but for its figures. `format` tells other readers that PyTorch wrote it."""
    facts = {
        "format": "pt",
        "run": version.run,
        "round": str(version.round),
        "parent": parent,
        "task": task,
        "created": created,
    }
    return {name: value for name, value in facts.items() if value is not None}


def figures(metrics: Metrics) -> dict[str, str]:
    """Figures as a header holds them: 17 digits, so that none is lost and a file's size does not
    depend on its figures; nothing for what is not known."""
    found = {"accuracy": metrics.accuracy, "loss": metrics.loss}
    return {name: f"{value:.16e}" for name, value in found.items() if value is not None}


def decode(text: bytes, version: Version) -> Manifest:
    """The manifest in `text`. Raises ValueError, saying what is wrong, where it is not that of
    `version`."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"its manifest is longer than {MOST_BYTES} bytes")
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"its manifest cannot be read: {error}") from error
    if (found.version, found.run, found.round) != (str(version), *version):
        raise ValueError(f"its manifest is that of {found.version!r}")
    return found


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def disagreement(manifest: Manifest, path: str) -> str | None:
    """Where the header of the file at `path` says something else than its manifest, what."""
    try:
        with safe_open(path, framework="numpy") as opened:
            facts: Mapping[str, str] = opened.metadata() or {}
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            layout = {
                name: (tuple(one.get_shape()), DTYPES.get(one.get_dtype(), one.get_dtype()))
                for name, one in slices.items()
            }
    except (SafetensorError, OSError) as error:
        return f"its file is not in safetensors format: {error}"
    said = manifest.header()
    for name in sorted(said.keys() | facts.keys()):
        if said.get(name) != facts.get(name):
            return f"its manifest and its file differ in {name}"
    if {one.name: (one.shape, one.dtype) for one in manifest.tensors} != layout:
        return "its manifest and its file differ in the tensors they list"
    return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
