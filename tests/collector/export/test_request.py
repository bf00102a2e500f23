"""What may be asked for, and what is refused with the field's name."""

from __future__ import annotations

import pytest

from fedsight.collector.export.request import ExportRequest, scope_of
from fedsight.collector.export.selections import component_of, selections
from fedsight.collector.store.contract import Matcher
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST

TEN, ELEVEN = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"


def test_nothing_said_is_everything() -> None:
    scope = scope_of(ExportRequest())
    assert scope.components == ("fl", "network", "policy", "system")
    assert scope.tables == ("samples", "events", "runs", "rounds", "clients", "spans")
    assert (scope.bounds, scope.step) == ((0, LATEST), None)


def test_tables_and_components_come_in_one_order_and_once() -> None:
    asked = ExportRequest(components=["policy", "fl", "fl"], tables=["events", "samples"])
    scope = scope_of(asked)
    assert (scope.components, scope.tables) == (("fl", "policy"), ("samples", "events"))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ExportRequest(start_time="yesterday"), "start_time"),
        (ExportRequest(start_time=TEN[:-1]), "start_time"),
        (ExportRequest(end_time="9999-99-99T00:00:00Z"), "end_time"),
        (ExportRequest(start_time=ELEVEN, end_time=TEN), "end_time"),
        (ExportRequest(start_time=TEN, end_time=TEN), "end_time"),
        (ExportRequest(components=["network"], tables=["rounds"]), "tables"),
    ],
)
def test_what_makes_no_sense_names_its_field(request_: ExportRequest, field: str) -> None:
    with pytest.raises(BadFieldError) as refused:
        scope_of(request_)
    assert refused.value.field == field


def test_a_run_takes_along_what_names_no_run_while_it_goes_on() -> None:
    asked = ExportRequest("r-1", ["fl", "network"], start_time=TEN, end_time=ELEVEN)
    scope = scope_of(asked)
    from_ten, to_eleven = scope.bounds
    fl, of_run, of_none = selections(scope)
    assert fl.matchers == (Matcher("__name__", "=~", "fl_.*"), Matcher("run", "=", "r-1"))
    assert of_run.matchers[1] == Matcher("run", "=", "r-1")
    assert of_none.matchers[1] == Matcher("run", "=", "")
    assert all((each.start, each.end) == (from_ten, to_eleven) for each in (fl, of_run, of_none))


def test_sources_have_the_component_of_their_stream() -> None:
    found = [component_of(each) for each in ("federated", "network", "policy", "superlink")]
    assert found == ["fl", "network", "policy", "system"]
