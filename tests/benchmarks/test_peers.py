from __future__ import annotations

import os
import time

import psutil
import pytest

from benchmarks.peers import Farewell, Peer, PeerError, living, require
from fedsight.errors import MissingExtraError
from fedsight.federated.plan import Plan
from tests.benchmarks.toy_peer import ROUND_SECONDS

TOY = "tests.benchmarks.toy_peer"


def test_a_peer_runs_the_rounds_asked_for_and_says_how_long_each_took() -> None:
    with Peer(TOY, Plan()) as peer:
        turns = [peer.turn(3), peer.turn(2)]
    assert [len(rounds.seconds) for rounds in turns] == [3, 2]
    assert all(seconds >= ROUND_SECONDS for rounds in turns for seconds in rounds.seconds)


def test_waiting_for_its_turn_does_not_count_as_a_peers_time() -> None:
    with Peer(TOY, Plan()) as peer:
        peer.turn(1)
        time.sleep(1.0)
        assert peer.turn(1).total < 1.0


def test_a_peer_says_what_its_training_came_to() -> None:
    with Peer(TOY, Plan()) as peer:
        peer.turn(4)
        assert peer.farewell() == Farewell(2.0, 0.5)


def test_no_process_of_a_peer_outlives_it() -> None:
    before = set(psutil.Process(os.getpid()).children(recursive=True))
    with Peer(TOY, Plan()) as peer:
        peer.turn(1)
        family = set(psutil.Process(os.getpid()).children(recursive=True)) - before
        assert len(family) == peer.footprint().processes == 2
    assert not [process for process in family if living(process)]


def test_a_peer_that_does_not_run_is_an_error_with_its_last_words() -> None:
    with Peer(TOY, Plan(task="broken")) as peer, pytest.raises(PeerError, match="no such thing"):
        peer.turn(1)


def test_a_missing_peer_is_an_error_that_names_the_installation() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'fedsight\[bench\]'"):
        require("json", "no_such_peer")
