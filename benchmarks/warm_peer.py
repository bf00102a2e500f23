"""Ourselves as a peer: a SuperLink and warm nodes, and the rounds of `fedsight run`, journaled.

Started by `peers.Peer`. What a round takes is counted from the end of the one before.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.peers import NoMoreTurnsError, Turns, plan_of
from fedsight.config import load
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import launched
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan.plan import MOST_ROUNDS
from fedsight.federated.training import RoundReport, Steering, train
from fedsight.journal import Journal

RUN = "r-peer"


def main() -> None:
    """Train until the parent wants no more rounds."""
    turns, plan = Turns(), plan_of(sys.argv)
    steering = Steering()

    def ended(_: RoundReport) -> None:
        try:
            turns.round_ended()
        except NoMoreTurnsError:
            steering.control.stop("no more turns")

    steering.on_round = ended
    with tempfile.TemporaryDirectory(prefix="fb-") as folder:
        settings = replace(load(None), data=Path(folder))
        with (
            launched(settings, plan.nodes, task=plan.task) as federation,
            Journal(settings.journals, RUN) as journal,
        ):
            try:
                turns.begin()
            except NoMoreTurnsError:
                return
            link = Linked(Place(Address.of(federation.address)), plan.nodes)
            endless = replace(plan, rounds=MOST_ROUNDS)
            train(endless, journal, run_id=RUN, steering=steering, link=link)


if __name__ == "__main__":
    main()
