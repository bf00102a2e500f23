"""The collector's own story."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedsight import __version__
from fedsight.collector.monitors.lifecycle import LifeCursor, digests, started, stopped
from fedsight.collector.monitors.plan import MonitorPlan
from fedsight.collector.options import CollectorOptions

KEY = b"of this data directory"
OPTIONS = CollectorOptions(Path("/data"), monitors=MonitorPlan(sdn_password="rocks"))


def test_the_first_start_tells_the_version_alone() -> None:
    (event,) = started(None, digests(OPTIONS, KEY), 5)
    assert (event.kind, event.source, event.time) == ("COLLECTOR_STARTED", "collector", 5)
    assert event.details["version"] == __version__
    assert "after" not in event.details


def test_the_next_tells_how_the_last_one_ended() -> None:
    settings = digests(OPTIONS, KEY)
    (after_stop,) = started(LifeCursor(settings, running=False), settings, 5)
    (after_kill,) = started(LifeCursor(settings, running=True), settings, 5)
    assert after_stop.details["after"] == "stop"
    assert after_kill.details["after"] == "crash"


def test_settings_that_changed_are_named_without_their_values() -> None:
    before = digests(OPTIONS, KEY)
    plan = replace(OPTIONS.monitors, sdn_password="changed", interval=9.0)
    now = digests(replace(OPTIONS, monitors=plan), KEY)
    _, event = started(LifeCursor(before), now, 5)
    assert event.kind == "CONFIGURATION_CHANGED"
    assert event.details["changed"] == ["monitors.interval", "monitors.sdn_password"]
    assert event.details["before"] != event.details["now"]
    assert "changed" not in str(now.values())
    assert "rocks" not in str(before)


def test_a_digest_is_of_no_use_without_the_key() -> None:
    assert digests(OPTIONS, KEY) == digests(OPTIONS, KEY)
    assert digests(OPTIONS, KEY)["port"] != digests(OPTIONS, b"another")["port"]


def test_a_stop_tells_how_long_it_ran() -> None:
    assert stopped(12.3456, 7).details == {"seconds": 12.346}
