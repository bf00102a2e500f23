"""Model versions: every round's global model on disk, named `RUN/ROUND`, whole or not there.

<data>/models/tags.json               tags, and what was promoted before
<data>/models/RUN/ROUND.safetensors   the named tensors of the model's state dict
<data>/models/RUN/ROUND.json          its manifest; written last, so what has one is whole
"""

from fedsight.federated.versions.keeper import RunKeeper
from fedsight.federated.versions.manifest import Layout, Manifest, Metrics
from fedsight.federated.versions.retention import Protected, best, droppable
from fedsight.federated.versions.store import Fault, ModelStore
from fedsight.federated.versions.tags import PRODUCTION, TagBook

__all__ = [
    "PRODUCTION",
    "Fault",
    "Layout",
    "Manifest",
    "Metrics",
    "ModelStore",
    "Protected",
    "RunKeeper",
    "TagBook",
    "best",
    "droppable",
]
