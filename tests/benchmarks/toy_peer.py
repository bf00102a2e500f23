"""A peer without a framework, for tests: `python -m tests.benchmarks.toy_peer PLAN`.

It prints to standard output in between, as real ones do, and leaves a child behind.
"""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.peers import NoMoreTurnsError, Turns, plan_of

ROUND_SECONDS = 0.01


def main() -> None:
    turns, plan = Turns(), plan_of(sys.argv)
    if plan.task == "broken":
        raise SystemExit("no such thing")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    rounds = 0
    try:
        turns.begin()
        while True:
            print("chatter")
            time.sleep(ROUND_SECONDS)
            rounds += 1
            turns.round_ended()
    except NoMoreTurnsError:
        turns.farewell(2.0, 2.0 / rounds)


if __name__ == "__main__":
    main()
