"""Which tasks a node loads."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.node.allowed import TASKS_VARIABLE, allow, refuse_unless_allowed, tasks_of


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """The process's own comes back after each test."""
    before = os.environ.pop(TASKS_VARIABLE, None)
    yield
    os.environ.pop(TASKS_VARIABLE, None)
    if before is not None:
        os.environ[TASKS_VARIABLE] = before


def test_tasks_of_ours_are_always_loaded() -> None:
    refuse_unless_allowed("digits")
    refuse_unless_allowed("mnist")


def test_another_s_task_is_refused_with_the_flag_that_allows_it() -> None:
    with pytest.raises(FedsightError) as caught:
        refuse_unless_allowed("my.tasks:MINE")
    assert str(caught.value) == (
        "this node does not load task 'my.tasks:MINE', which a run named: to allow it, start the"
        " node with --tasks my.tasks:MINE (Flower's own with FEDSIGHT_NODE_TASKS=my.tasks:MINE)"
    )


def test_only_what_was_named_is_allowed() -> None:
    os.environ[TASKS_VARIABLE] = "the.operators:OWN"
    allow(["my.tasks:MINE, my.tasks:OTHER"])
    for name in ("the.operators:OWN", "my.tasks:MINE", "my.tasks:OTHER"):
        refuse_unless_allowed(name)
    for name in ("my.tasks:MIN", "my.tasks", "tasks:MINE", "my.tasks:MINE,my.tasks:OTHER", ""):
        with pytest.raises(FedsightError, match="does not load task"):
            refuse_unless_allowed(name)


def test_names_are_read_and_checked() -> None:
    assert tasks_of(["a.b:C, digits", "", "a.b:C,d:E"]) == ("a.b:C", "digits", "d:E")
    for bad in ("a.b", "a.b:C:D", "a-b:C", "../a:B"):
        with pytest.raises(UsageError, match=r"tasks must be package\.module:object"):
            tasks_of([bad])
