"""Whether policy lets a run start: what is asked before it begins, and once more as it does."""

from __future__ import annotations

import time

from fedsight.errors import FedsightError
from fedsight.federated.deciding import Decider
from fedsight.policy import Decision, Party, Request

START = "startRun"
SERVER = "server"


def run_party(
    run: str,
    rounds: int,
    *,
    round: int = 1,
    clients: int = 0,
    stale: int = 0,
    private: bool = False,
) -> Party:
    """A run as policy sees it: `round` of so many is to begin, `clients` may train in it, `stale`
    rounds went by without a better model, and whether it has differential privacy."""
    figures = {"round": round, "rounds": rounds, "clients": clients}
    return Party("Run", run, {**figures, "stale_rounds": stale, "private": private})


def may_start(decider: Decider, run: str, rounds: int) -> Decision:
    """Whether a run of so many rounds may start; where that cannot be asked, no."""
    about = run_party(run, rounds)
    request = Request(Party("Server", SERVER), START, time.time_ns(), about, {}, run, 1)
    try:
        return decider.decide(request)
    except (FedsightError, OSError) as error:
        why = f"the policy could not be asked: {error}"
        return Decision(False, (), (why,), "", "")
