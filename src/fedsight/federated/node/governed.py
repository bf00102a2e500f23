"""A node that obeys its own policy: a Flower client mod, for any ClientApp.

    app = ClientApp(mods=[governed_mod("policy", data="node-data")])

Before the app sees a message the node's rules decide whether it takes part in that run, and before
arrays, or what could hold as much, leave it whether they may, by their real size and norm. A
refusal is answered as an Error with the reason, and is in the node's own audit trail.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from flwr.app import Array, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict

from fedsight.door.hosts import is_loopback
from fedsight.errors import FedsightError, UsageError
from fedsight.federated import codec
from fedsight.federated.clients import this_machine
from fedsight.federated.faults import REFUSED_BY_NODE
from fedsight.federated.node.introduction import NAME, TAGS, asks_for_introduction
from fedsight.policy import Decision, Party, Request
from fedsight.policy.audit import SigningKey, Trail
from fedsight.policy.overseer import Overseer
from fedsight.policy.remote import RemoteOverseer
from fedsight.policy.watching import InForce

KEY, TRAIL = "keys/audit", "audit"
REFUSED = "refused by the node's own policy"
#: What a message asks for, by the first part of its type; anything else is `participate`.
ACTIONS: Mapping[str, str] = {"train": "train", "evaluate": "evaluate"}
ROUND = "server-round"
#: Under which names runs of ours and Flower's own examples say how many rounds they have.
ROUNDS = ("rounds", "num-server-rounds", "num-rounds")

#: What a number in a list counts.
FIGURE_BYTES = 8

log = logging.getLogger("fedsight.node")

App = Callable[[Message, Context], Message]


class Decides(Protocol):
    """Who is asked: the node's own rules, or a policy service."""

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """An answer to each request, in order. Never raises."""


@dataclass
class OwnRules:
    """The node's rules in the folder `rules`, and its trail in `data`; opened when first asked."""

    rules: Path
    data: Path
    observe: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._force: InForce | None = None
        self._overseer: Overseer | None = None

    def open(self) -> Overseer:
        """Raises PolicyError where the set is wrong, AuditError where the trail cannot be opened,
        UsageError where the set is not one of a node."""
        with self._lock:
            if self._overseer is None:
                force = InForce(self.rules, observe=self.observe)
                if not force.engine.ruleset.of_node:
                    raise UsageError(
                        f"{self.rules} holds no set by which a node decides: write one with"
                        " fedsight policy init DIR --node"
                    )
                trail = Trail(self.data / TRAIL, SigningKey.open(self.data / KEY))
                self._open.enter_context(trail)
                self._force, self._overseer = force, Overseer(lambda: force.engine, trail)
            return self._overseer

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """See `Decides`. Changed rules count from the next question on."""
        try:
            overseer = self.open()
        except FedsightError as error:
            return [Decision(False, (), (str(error),), "", "") for _ in requests]
        if self._force is not None:
            self._force.look()
        return overseer.decide_all(requests)

    def close(self) -> None:
        """Sign the trail's head, and let go of it."""
        with self._lock:
            self._overseer = self._force = None
            self._open.close()


class GovernedMod:
    """See above. `superlink` is whom the node works for, where that is known; `remote`: a policy
    service decides, which knows clients by what they tell of themselves."""

    def __init__(
        self,
        decides: Decides,
        *,
        superlink: str | None = None,
        remote: bool = False,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._decides = decides
        self._superlink = superlink
        self._remote = remote
        self._now = now

    def __call__(self, message: Message, context: Context, app: App) -> Message:
        """See `flwr.clientapp.typing.Mod`."""
        if asks_for_introduction(message):
            return app(message, context)
        client, run = self._client(context), str(context.run_id)
        action = ACTIONS.get(message.metadata.message_type.partition(".")[0], "participate")
        asked = _asked(message, context, self._superlink)
        about = Party("Run", run, asked)
        refusal = self._refusal(Request(client, action, self._now(), about, {}, run, _round(asked)))
        if refusal is not None:
            return Message(Error(REFUSED_BY_NODE, refusal), reply_to=message)
        given = _arrays(message.content) if message.has_content() else {}
        reply = app(message, context)
        if reply.has_error():
            return reply
        sent, beside = _arrays(reply.content), _beside(reply.content)
        if not sent and not beside:
            return reply
        facts: dict[str, Any] = {"size_bytes": codec.content_bytes(reply.content) + beside}
        norm = None if beside else _norm(given, sent)
        facts |= {} if norm is None else {"norm": norm}
        update = Party("Model", f"{run}/update", facts)
        share = Request(client, "shareModel", self._now(), update, {}, run, _round(asked))
        refusal = self._refusal(share)
        return (
            reply if refusal is None else Message(Error(REFUSED_BY_NODE, refusal), reply_to=message)
        )

    def _refusal(self, request: Request) -> str | None:
        decision = self._decides.decide_all([request])[0]
        if decision.allowed:
            return None
        log.warning("run %s: %s refused: %s", request.run, request.action, decision.reason)
        return f"{REFUSED}: {decision.reason}"

    def _client(self, context: Context) -> Party:
        node = context.node_config
        machine = this_machine()
        facts: dict[str, Any] = {
            "cpu_count": machine["cpu_count"],
            "memory_mb": int(float(machine["memory_gb"]) * 1000),
        }
        if self._remote:
            tags = str(node.get(TAGS, ""))
            facts["capabilities"] = tuple(one.strip() for one in tags.split(",") if one.strip())
            facts["trust"] = 1.0  # it cannot know: the service takes what it knows, if that is less
        return Party("Client", str(node.get(NAME) or context.node_id), facts)


def governed_mod(
    rules: str | Path, data: str | Path, *, observe: bool = False, token: str = ""
) -> GovernedMod:
    """A mod that lets a node obey its policy: the set in the folder `rules` (`fedsight policy init
    DIR --node`), or a policy service's address, which is shown `token`.

    `data` is the folder of the node's audit trail and of its key. With `observe` nothing is
    refused, and the trail says what would be. Raises UsageError where the address is none, or the
    token would go over a network in the clear.
    """
    where = str(rules)
    if "://" in where:
        parts = urlsplit(where)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise UsageError(f"{where} would be shown the token in the clear: use https")
        return GovernedMod(RemoteOverseer(where, token), remote=True)
    return GovernedMod(OwnRules(Path(rules), Path(data), observe))


def _asked(message: Message, context: Context, superlink: str | None) -> dict[str, Any]:
    """What is known of the run that a message is of: by the run's own configuration, but for the
    size of what came."""
    config = context.run_config
    content = message.content if message.has_content() else RecordDict()
    found: dict[str, Any] = {"model_bytes": codec.content_bytes(content)}
    if superlink is not None:
        found["superlink"] = superlink
    task = config.get("task")
    if isinstance(task, str):
        found["task"] = task
    rounds = [config[name] for name in ROUNDS if _whole(config.get(name))]
    if rounds:
        found["rounds"] = rounds[0]
    clients = _together(config)
    if clients is not None:
        found["clients"] = clients
    for record in content.values():
        if isinstance(record, ConfigRecord) and _whole(record.get(ROUND)):
            found["round"] = record[ROUND]
    return found


def _together(config: Mapping[str, Any]) -> int | None:
    """How many updates at least become one model, by a plan of ours; None where it is none."""
    least, fraction, quorum = (config.get(key) for key in ("min_clients", "fraction", "quorum"))
    if type(least) is not int or type(fraction) is not float or type(quorum) is not int:
        return None
    if config.get("mode") == "async":
        return max(1, int(config.get("buffer") or 1))
    chosen = max(1, round(fraction * least))
    return min(chosen, quorum) if quorum else chosen


def _round(asked: Mapping[str, Any]) -> int | None:
    found = asked.get("round")
    return found if _whole(found) else None


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _arrays(content: RecordDict) -> dict[tuple[str, str], Array]:
    """Every array of a message's content, by the names of its record and its own."""
    return {
        (name, key): array
        for name, record in content.array_records.items()
        for key, array in record.items()
    }


def _beside(content: RecordDict) -> int:
    """Bytes of all that could hold a model as well as arrays do: bytes, texts and lists."""
    records = [one for one in content.values() if isinstance(one, ConfigRecord | MetricRecord)]
    return sum(_weight(value) for record in records for value in record.values())


def _weight(value: object) -> int:
    """Bytes of such a value; 0 of a figure."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return sum(_weight(one) or FIGURE_BYTES for one in value)
    return 0


def _norm(
    given: Mapping[tuple[str, str], Array], sent: Mapping[tuple[str, str], Array]
) -> float | None:
    """The length of what was changed of the arrays that came; None where others are sent."""
    total = 0.0
    for name, array in sent.items():
        before = given.get(name)
        if before is None or tuple(before.shape) != tuple(array.shape):
            return None
        after = array.numpy()
        if after.dtype.kind not in "fiub":  # of complex numbers half would not be seen
            return None
        change = after.astype(np.float64) - before.numpy()
        total += float(np.dot(change.ravel(), change.ravel()))
    return math.sqrt(total) if math.isfinite(total) else None
