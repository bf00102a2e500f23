"""Which samples and events belong to which component."""

from __future__ import annotations

from collections.abc import Sequence

from fedsight.collector.export.request import Component, Scope
from fedsight.collector.live.messages import STREAM_OF_SOURCE, Stream
from fedsight.collector.store.contract import NAME_LABEL, Matcher, MatchOp, Selection

#: What a component's metric names match; `system` has those of no other component.
NAMES: dict[Component, tuple[MatchOp, str]] = {
    "fl": ("=~", "fl_.*"),
    "network": ("=~", "network_.*"),
    "policy": ("=~", "policy_.*"),
    "system": ("!~", "(fl|network|policy)_.*"),
}
#: A component's events are those of its live stream; `system` has all others.
STREAMS: dict[Component, Stream] = {
    "fl": "fl_training",
    "network": "network_performance",
    "policy": "policy_events",
}


def selections(scope: Scope) -> list[Selection]:
    """Samples of each component in the range.

    Of one run: those that name it and, except for `fl`, those that name no run at all, such as a
    link's, as they were measured while it trained.
    """
    found: list[Selection] = []
    for component in scope.components:
        name = Matcher(NAME_LABEL, *NAMES[component])
        of_run = () if scope.run is None else (Matcher("run", "=", scope.run),)
        found.append(Selection((name, *of_run), *scope.bounds))
        start, end = scope.while_run
        if scope.run is not None and component != "fl" and start < end:
            found.append(Selection((name, Matcher("run", "=", "")), start, end))
    return found


def component_of(source: str) -> Component:
    """The component of an event that came from this source."""
    stream = STREAM_OF_SOURCE.get(source, "system_events")
    named = (component for component, of in STREAMS.items() if of == stream)
    return next(named, "system")


def wanted(source: str, run: str | None, scope: Scope, components: Sequence[Component]) -> bool:
    """Whether an event belongs to the export; those of no run only beside `fl`."""
    component = component_of(source)
    if component not in components:
        return False
    return scope.run is None or run == scope.run or (run is None and component != "fl")
