"""Ctrl-C and SIGTERM: heard once, held back where a child would be lost, ignored while closing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from fedsight.cli import interrupts
from fedsight.cli.interrupts import NUMBERS, Interrupts


@pytest.fixture
def heard() -> Iterator[Interrupts]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    found = Interrupts()
    found.listen()
    yield found
    for number, what in before.items():
        signal.signal(number, what)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_interrupts_and_an_impatient_second_does_nothing(
    heard: Interrupts, number: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        send(number)
    for again in NUMBERS:
        send(again)


def test_one_that_was_lost_can_be_said_again(
    heard: Interrupts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    monkeypatch.setattr(interrupts, "AGAIN_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_what_is_held_is_done_to_its_end(heard: Interrupts) -> None:
    done = []

    def hold() -> None:
        with heard.held():
            with heard.held():
                send(signal.SIGINT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        hold()
    assert done == ["inner", "outer"]
    with heard.held():
        pass  # and owes nothing any more


def test_another_thread_holds_nothing_back(heard: Interrupts) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with heard.held():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    leave.set()
    thread.join()


def test_whoever_leaves_is_left_in_peace(heard: Interrupts) -> None:
    heard.leave()
    for number in NUMBERS:
        send(number)
