"""Who was refused by what, and when: counts over the decisions that are kept. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fedsight.door.times import parse_rfc3339, rfc3339
from fedsight.policy.decision import NO_PERMIT, OBSERVED
from fedsight.policy.service.kept import DecisionRow
from fedsight.policy.service.listed import (
    MOST_CLIENTS,
    MOST_RULES,
    Because,
    RefusalRow,
    Refusals,
    RefusedClient,
)

UNJUDGED = "it could not be judged"
#: Steps of time, in seconds, of which the shortest is taken that needs at most `MOST_STEPS`.
STEPS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 6 * 3600, 86_400, 7 * 86_400)
MOST_STEPS = 60


def because(one: DecisionRow) -> list[Because]:
    """Each rule that decided, with its reason. The trail keeps the reasons as one text, in the
    order of the rules, then the errors; where that can be parted in two ways, it is not."""
    effect = "permit" if one.allowed and not one.observed else "forbid"
    text = one.reason.removeprefix(f"{OBSERVED}, would be refused: ")
    if one.errors:
        errors = "; ".join(one.errors)
        text = text.removesuffix(errors).removesuffix("; ")
    parts = [text] if len(one.rules) == 1 else text.split("; ")
    told = parts if len(parts) == len(one.rules) else [""] * len(one.rules)
    return [Because(*pair, effect) for pair in zip(one.rules, told, strict=True)]


def refused(one: DecisionRow) -> bool:
    """Whether it was refused, or would have been."""
    return not one.allowed or one.observed


@dataclass
class _Row:
    """One line of the table while it is counted."""

    reason: str
    last: str
    clients: Counter[str] = field(default_factory=Counter)
    times: list[str] = field(default_factory=list)


def refusals(found: Sequence[DecisionRow], since: str | None) -> Refusals:
    """The table of those among `found` (newest first) that were refused."""
    hits = [one for one in found if refused(one)]
    rows: dict[str | None, _Row] = {}
    clients: Counter[str] = Counter()
    for one in hits:
        who = one.client_id or one.principal
        clients[who] += 1
        for rule, reason in _causes(one):
            row = rows.setdefault(rule, _Row(reason, one.timestamp))
            row.clients[who] += 1
            row.times.append(one.timestamp)
    shown = [client for client, _ in clients.most_common(MOST_CLIENTS)]
    ranked = sorted(rows.items(), key=lambda pair: -len(pair[1].times))
    start, step, steps = _scale([one.timestamp for one in hits])
    told = [
        RefusalRow(
            rule,
            row.reason,
            len(row.times),
            row.last,
            {client: row.clients[client] for client in shown if row.clients[client]},
            _stepped(row.times, start, step, steps),
        )
        for rule, row in ranked[:MOST_RULES]
    ]
    return Refusals(
        len(hits),
        len(found),
        since,
        told,
        [RefusedClient(client, clients[client]) for client in shown],
        max(0, len(ranked) - MOST_RULES),
        max(0, len(clients) - MOST_CLIENTS),
        rfc3339(start) if hits else None,
        step,
    )


def _causes(one: DecisionRow) -> Iterable[tuple[str | None, str]]:
    """The rules that refused it; without one, that nothing permitted it or it was not judged."""
    rules = [(rule.id, rule.reason) for rule in because(one) if rule.effect == "forbid"]
    return rules or [(None, UNJUDGED if one.errors else NO_PERMIT)]


def _scale(times: Sequence[str]) -> tuple[int, float, int]:
    """Where steps begin (Unix ns), how long each is (s), and how many there are."""
    if not times:
        return 0, float(STEPS[0]), 0
    first, last = parse_rfc3339(times[-1]), parse_rfc3339(times[0])
    span = max(0, last - first) / 1e9
    step = next((one for one in STEPS if span / one < MOST_STEPS - 1), STEPS[-1])
    start = first - first % (step * 10**9)
    many = min(1000, int((last - start) // (step * 10**9)) + 1)
    return start, float(step), many


def _stepped(times: Sequence[str], start: int, step: float, many: int) -> list[int]:
    counts = [0] * many
    for one in times:
        at = int((parse_rfc3339(one) - start) // int(step * 1e9))
        counts[max(0, min(many - 1, at))] += 1
    return counts
