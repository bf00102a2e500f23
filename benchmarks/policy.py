"""What policy costs: a decision, a batch, a hundred more rules, a replay, a check over HTTP, a
round; and what its trail shows.

Every decision is made anew: "known" clients are asked about with the facts of the time before, of
"changed" ones the trust is another each time. `cedarpy alone` is Cedar with handles that were
parsed before and the same client, asked with all of that action's rules: what an engine around it
does without that slices them by action alone.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cedarpy
import msgspec

from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread, taking_turns
from benchmarks.policy_round import governed_rounds
from benchmarks.policy_service import RATE, checks_over_http
from benchmarks.report import Findings, Target, at_least, at_most
from benchmarks.tampering import edited
from fedsight.policy import Engine, Party, Request, RuleSet, ruleset
from fedsight.policy.audit import Anchor, SigningKey, Trail, verify
from fedsight.policy.files import default, default_texts
from fedsight.policy.overseer import Overseer
from fedsight.policy.replay import replay

CLIENTS, BLOCKS = 1000, 15
MORE_RULES = 100
REPLAYED, QUICK_REPLAYED = 100_000, 2_000
EDITS, QUICK_EDITS = 10_000, 100
MOST_MICROSECONDS, MOST_BATCH_MS, MOST_REPLAY_SECONDS = 60.0, 45.0, 10.0
#: From when a check is due.
MOST_CHECK_MS = 5.0
#: Thursday, 26 November 2026, 12:00 UTC.
NOON = 1_795_694_400 * 10**9


def measure(quick: bool, say: Say) -> Findings:
    """Decisions, batches, more rules, replay, checks over HTTP, rounds, and edits of the trail."""
    figures: dict[str, object] = {}
    blocks = FEWEST_BLOCKS if quick else BLOCKS
    spreads = _decisions(blocks, say)
    figures |= spreads
    seconds, requests = _replayed(QUICK_REPLAYED if quick else REPLAYED, say)
    figures["replay: seconds"] = seconds
    figures["replay: decisions"] = requests
    with tempfile.TemporaryDirectory() as folder:
        checks = checks_over_http(Path(folder) / "data", quick, say)
    rounds, promised = governed_rounds(quick, say)
    figures |= checks | rounds
    seen, kinds = _edits(QUICK_EDITS if quick else EDITS, say)
    figures["edits of the trail"] = dict(kinds)
    targets: list[Target] = [
        at_most(
            "µs a decision, known clients",
            spreads["a decision, known client: µs"].median,
            MOST_MICROSECONDS,
        ),
        at_most(
            f"ms a batch of {CLIENTS}, known clients",
            spreads[f"a batch of {CLIENTS}, known clients: ms"].median,
            MOST_BATCH_MS,
        ),
        at_most(
            f"ms a check over HTTP, p99 at {RATE:.0f} a second",
            checks["checks over HTTP, p99 from due: ms"],
            MOST_CHECK_MS,
        ),
        *promised,
        at_least("share of edits seen", seen, 1.0),
    ]
    if not quick:
        targets.append(at_most(f"s to replay {REPLAYED:,} decisions", seconds, MOST_REPLAY_SECONDS))
    return Findings({"clients": CLIENTS, "blocks": blocks}, figures, targets)


def _request(number: int, trust: float) -> Request:
    facts = {
        "trust": trust,
        "samples": 100 + number,
        "capabilities": ("gpu", "torch"),
        "cpu_count": 4,
        "memory_mb": 8000,
    }
    return Request(Party("Client", f"client-{number}", facts), "train", NOON)


class _Fresh:
    """Requests of the same clients, with another trust each time."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self) -> list[Request]:
        self._turn += 1
        return [
            _request(number, 0.4 + (number * 7 + self._turn * 13) % 5000 / 10_000)
            for number in range(CLIENTS)
        ]


def _decisions(blocks: int, say: Say) -> dict[str, Spread]:
    engine, fresh = Engine(default()), _Fresh()
    known = fresh()
    about = Engine(_with_rules("train")), Engine(_with_rules("evaluate"))
    with _recording(engine) as overseer:
        arms: dict[str, Callable[[], float]] = {
            "cedarpy alone: µs": partial(_each, _alone(default(), known[0]), known),
            "a decision, known client: µs": partial(_each, engine.decide, known),
            "a decision, changed client: µs": lambda: _each(engine.decide, fresh()),
            "a decision recorded, changed client: µs": lambda: _each(overseer.decide, fresh()),
            f"a batch of {CLIENTS}, known clients: ms": partial(_batch, engine, known),
            f"a batch of {CLIENTS}, changed clients: ms": lambda: _batch(engine, fresh()),
            f"{MORE_RULES} more rules about it: µs": partial(_each, about[0].decide, known),
            f"{MORE_RULES} more about another action: µs": partial(_each, about[1].decide, known),
        }
        for arm in arms.values():
            arm()
        found = taking_turns(arms, blocks, say)
    return {name: Spread.of(values) for name, values in found.items()}


@contextmanager
def _recording(engine: Engine) -> Iterator[Overseer]:
    """The engine with an audit trail on disk."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Trail(Path(folder) / "trail", SigningKey.open(Path(folder) / "key")) as trail,
    ):
        yield Overseer(lambda: engine, trail)


def _each(decide: Callable[[Request], object], requests: Sequence[Request]) -> float:
    """Microseconds a decision."""
    began = time.perf_counter()
    for one in requests:
        decide(one)
    return (time.perf_counter() - began) / len(requests) * 1e6


def _batch(engine: Engine, requests: Sequence[Request]) -> float:
    """Milliseconds for all of them at once."""
    began = time.perf_counter()
    engine.decide_all(requests)
    return (time.perf_counter() - began) * 1e3


def _alone(taken: RuleSet, request: Request) -> Callable[[Request], object]:
    """Cedar itself: that action's rules as they are written, and entities without a schema."""
    rules = taken.about(request.action, "Client", "Federation")
    policies = cedarpy.PolicySet.from_str("\n".join(one.text for one in rules))
    limits = {
        **taken.federation.limits,
        "min_trust": _decimal(0.4),
        "large_model_trust": _decimal(0.6),
    }
    home = {"type": "FL::Federation", "id": taken.federation.name}
    client = {"type": "FL::Client", "id": request.principal.id}
    attributes = {**request.principal.attributes, "trust": _decimal(0.9)}
    entities = cedarpy.Entities.from_json_str(
        _json(
            [
                {"uid": home, "attrs": limits, "parents": []},
                {"uid": client, "attrs": attributes, "parents": [home]},
            ]
        ),
        taken.schema.handle,
    )
    asked = {
        "principal": client,
        "action": {"type": "FL::Action", "id": request.action},
        "resource": home,
        "context": '{"minute":720,"weekday":4}',
    }
    return lambda _: cedarpy.is_authorized(asked, policies, entities, taken.schema.handle)


def _decimal(value: float) -> dict[str, object]:
    return {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _with_rules(action: str) -> RuleSet:
    """The default set and a hundred rules more about an action."""
    more = "\n".join(
        f'@id("more.{number}") @reason("more") forbid (principal is FL::Client,'
        f' action == FL::Action::"{action}", resource is FL::Federation)'
        f" when {{ principal.cpu_count > {1000 + number} }};"
        for number in range(MORE_RULES)
    )
    return ruleset({**default_texts(), "more.cedar": more})


def _replayed(count: int, say: Say) -> tuple[float, int]:
    """Seconds to judge so many recorded decisions by a stricter set, and how many there were."""
    say(f"recording {count:,} decisions")
    engine, fresh = Engine(default()), _Fresh()
    texts = default_texts()
    texts["federation.toml"] = texts["federation.toml"].replace(
        "min_trust = 0.4", "min_trust = 0.7"
    )
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "trail"
        with Trail(where, SigningKey.open(Path(folder) / "key")) as trail:
            overseer = Overseer(lambda: engine, trail)
            for _ in range(count // CLIENTS):
                overseer.decide_all(fresh())
        say("replaying them")
        began = time.perf_counter()
        found = replay(ruleset(texts), where)
        return time.perf_counter() - began, found.requests


def _edits(count: int, say: Say) -> tuple[float, Counter[str]]:
    """The share of random edits that verifying sees, and how many of each kind there were."""
    say(f"{count:,} edits of the audit trail")
    rng = random.Random(0)
    kinds: Counter[str] = Counter()
    anchors: list[Anchor] = []
    seen = 0
    with tempfile.TemporaryDirectory() as folder:
        key = SigningKey.open(Path(folder) / "key")
        where = Path(folder) / "trail"
        with Trail(where, key, anchors.append, head_records=10) as trail:
            for number in range(40):
                trail.append("decision", {"client": f"client-{number}", "allowed": number % 3 > 0})
        (path,) = where.glob("*.jsonl")
        content = path.read_bytes()
        while sum(kinds.values()) < count:
            kind, changed = edited(content, rng)
            if changed == content:
                continue  # two lines that are alike were swapped
            kinds[kind] += 1
            path.write_bytes(changed)
            seen += not verify(where, key.public, anchors).ok
    return seen / count, kinds


if __name__ == "__main__":
    sys.exit(run("policy", measure))
