"""How often policy said no in a run: by client, action and rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from fedsight.federated.fleet import NodeView
from fedsight.federated.runs.state import State
from fedsight.policy import Decision
from fedsight.signals import Json, Sample

REFUSALS = "fl_policy_refusals_total"
#: What stands for a rule where none refused: no rule permits it, or it could not be judged.
NO_PERMIT, NOT_JUDGED = "no-permit", "not-judged"
#: So many series of one run have a client's name; the rest are counted without it.
MOST_SERIES = 2000
#: So many nodes are named in one line.
MOST_NAMED = 3

_Key = tuple[str, str, str]


class Refusals:
    """Counts refusals of one run. `Stateful`."""

    def __init__(self) -> None:
        self._counts: dict[_Key, int] = {}
        self._changed: set[_Key] = set()

    def count(self, action: str, decision: Decision, client: str = "") -> None:
        """One more refusal, of `client` where it is about one."""
        for rule in decision.refused_by or (NOT_JUDGED if decision.errors else NO_PERMIT,):
            key = (client, action, rule)
            if key not in self._counts and len(self._counts) >= MOST_SERIES:
                key = ("", action, rule)
            self._counts[key] = self._counts.get(key, 0) + 1
            self._changed.add(key)

    def figures(self, run: str, round: int, now: int) -> list[Sample]:
        """What has changed since this was last asked, at `now` (Unix nanoseconds)."""
        changed, self._changed = self._changed, set()
        return [
            Sample(now, REFUSALS, float(self._counts[key]), round, dict(_labels(run, key)))
            for key in sorted(changed)
        ]

    def state(self) -> State:
        """See `Stateful`."""
        counts: list[Json] = [[*key, count] for key, count in self._counts.items()]
        return State({"counts": counts})

    def load(self, state: State) -> None:
        """See `Stateful`; from nothing where nothing was kept."""
        kept = cast("list[tuple[str, str, str, int]]", state.facts.get("counts", []))
        self._counts = {(client, action, rule): count for client, action, rule, count in kept}
        self._changed = set()


def _labels(run: str, key: _Key) -> Iterator[tuple[str, str]]:
    client, action, rule = key
    yield "run", run
    if client:
        yield "node", client
    yield "action", action
    yield "rule", rule


def left_out(nodes: Sequence[NodeView], refused: Mapping[int, str]) -> str:
    """Who may not train, as far as that is why a round may not begin; and what to do."""
    out = [node for node in nodes if not node.online or node.node_id in refused]
    if not out:
        return ""
    why: dict[str, list[str]] = {}
    for one in out:
        why.setdefault(refused.get(one.node_id) or one.away or "not there", []).append(one.name)
    told = "; ".join(f"{_named(names)} ({reason})" for reason, names in why.items())
    return (
        f"; of {len(nodes)} nodes {len(nodes) - len(out)} may train, not {told}:"
        " mend that, or change the rule"
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
