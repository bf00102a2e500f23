"""An obligation that binds nobody is named, wherever a set is taken."""

from __future__ import annotations

import pytest

from fedsight.policy import ruleset
from fedsight.policy.files import default_texts
from tests.policy.asked import changed

PERMIT = (
    '@id("own.one") @reason("bounds") @obliges("{}") @owner("dpo")\n'
    "permit (principal is FL::{}, action{}, resource is FL::{});"
)


def warnings(bounds: str, principal: str, action: str, resource: str) -> tuple[str, ...]:
    head = f' == FL::Action::"{action}"' if action else ""
    return changed(own=PERMIT.format(bounds, principal, head, resource)).warnings


@pytest.mark.parametrize(
    ("principal", "action", "resource"),
    [
        ("Client", "train", "Federation"),
        ("Client", "evaluate", "Federation"),
        ("Client", "", "Federation"),
        ("Server", "promoteModel", "Model"),
    ],
)
def test_a_permit_that_no_run_is_bound_by_is_named(
    principal: str, action: str, resource: str
) -> None:
    first, second = warnings("fraction <= 0.5; clip_norm <= 1", principal, action, resource)
    assert first.startswith("own.cedar:1:1: rule own.one obliges to fraction <= 0.5, which binds")
    assert "only a permit of startRun or nextRound in" in first
    assert "clip_norm <= 1, which binds nobody" in second
    assert ", or of shareModel in the set that governs a run does" in second


@pytest.mark.parametrize(
    ("principal", "action", "resource"),
    [("Server", "startRun", "Run"), ("Operator", "nextRound", "Run"), ("Server", "", "Run")],
)
def test_one_that_a_run_is_bound_by_is_not(principal: str, action: str, resource: str) -> None:
    assert warnings("fraction <= 0.5; clip_norm <= 1", principal, action, resource) == ()


def test_a_permit_to_share_binds_the_norm_alone() -> None:
    (only,) = warnings("max_rounds <= 5; clip_norm <= 1", "Client", "shareModel", "Model")
    assert "max_rounds <= 5, which binds nobody" in only


def test_in_a_nodes_own_set_none_binds() -> None:
    own = PERMIT.format("clip_norm <= 1", "Client", ' == FL::Action::"shareModel"', "Model")
    (only,) = ruleset({**default_texts(of_node=True), "own.cedar": own}).warnings
    assert "clip_norm <= 1, which binds nobody" in only
    assert ruleset(default_texts(of_node=True)).warnings == ruleset(default_texts()).warnings == ()
