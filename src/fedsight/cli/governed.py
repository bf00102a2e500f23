"""How a person reads under which policy a run went."""

from __future__ import annotations

from collections.abc import Mapping

from fedsight.collector.reading.governed import Governed

#: So many clients are named.
MOST_NAMED = 5
NONE_TOLD = "none told that it decided"


def ruled_by(policy: Governed) -> str:
    """The versions of its sets, from which round on each, and whom they refused."""
    if not policy.sets:
        return NONE_TOLD
    first, *later = policy.sets
    words = [f"version {first.version}"]
    words += [f"from round {one.round} on {one.version}" for one in later]
    if any(one.observed for one in policy.sets):
        words.append("only observed")
    words.append(_refused(policy.refused))
    return ", ".join(words)


def _refused(refused: Mapping[str, int]) -> str:
    if not refused:
        return "refused nobody"
    named = [f"{client} ({_times(count)})" for client, count in list(refused.items())[:MOST_NAMED]]
    more = len(refused) - len(named)
    return f"refused {', '.join(named)}" + (f" and {more} more" if more else "")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
