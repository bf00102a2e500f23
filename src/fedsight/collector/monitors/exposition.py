"""Prometheus' text and OpenMetrics, as samples: parsed by `prometheus_client`, within bounds.

https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification 1.0
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedsight.collector.monitors import foreign
from fedsight.collector.monitors.asking import Page, Place
from fedsight.collector.monitors.contract import ForeignAnswerError
from fedsight.signals import NAME_PATTERN, Sample

if TYPE_CHECKING:
    from prometheus_client.samples import Sample as Scraped

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
OPEN_METRICS = "application/openmetrics-text"
MOST_LABELS = 8
MOST_VALUE = 256
NAME = re.compile(NAME_PATTERN)
#: What a target may not say: of which of our runs its figures are.
OUR_LABELS = frozenset({"run"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one scrape may give: bytes, and samples. Above that nothing of it is taken."""

    bytes: int = 4 * 2**20
    samples: int = 20_000


async def scrape(
    place: Place, path: str, labels: Mapping[str, str], bounds: Bounds, now: int
) -> list[Sample]:
    """What a target tells, labelled with `labels` too.

    Raises AwayError, NoRouteError or ForeignAnswerError.
    """
    page = await place.page(path, accept=ACCEPT, most=bounds.bytes)
    return await asyncio.to_thread(parsed, page, labels, bounds, now)


def parsed(page: Page, labels: Mapping[str, str], bounds: Bounds, now: int) -> list[Sample]:
    """The samples of a page; a value that is not finite is absent.

    A label of the target's that `labels` has, or that is ours, becomes `exported_x`, as in
    Prometheus.
    Raises ForeignAnswerError for a page that does not parse, and for one with more than the bounds
    allow.
    """
    found: list[Sample] = []
    try:
        text = page.body.decode("utf-8")
        for one in _scraped(text, open_metrics=page.kind == OPEN_METRICS):
            sample = sample_of(one, labels, now)
            if sample is not None:
                found.append(sample)
            if len(found) > bounds.samples:
                raise ForeignAnswerError(f"the page has more than {bounds.samples} samples")
    # The parsers raise all of these for text that is not theirs.
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ForeignAnswerError(f"the page is no Prometheus text: {error}") from None
    return found


def _scraped(text: str, *, open_metrics: bool) -> Iterator[Scraped]:
    if open_metrics:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
    else:
        from prometheus_client.parser import text_string_to_metric_families as families

        # Without its types a page keeps its names: the parser adds `_total` to counters.
        # Lines end with \n alone: other marks of a line's end may stand in a label.
        text = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
        text += "\n"
    for family in families(text):  # type: ignore[no-untyped-call]
        # When a series began is no figure of what it measures.
        yield from (
            one for one in family.samples if not (open_metrics and one.name.endswith("_created"))
        )


def sample_of(one: Scraped, labels: Mapping[str, str], now: int) -> Sample | None:
    """One line as a sample; None where its value or its labels are none that signals take."""
    value = float(one.value)
    if not math.isfinite(value) or not is_name(one.name):
        return None
    taken = {*labels, *OUR_LABELS}
    said = {key: told for key, told in one.labels.items() if told}
    own = {f"exported_{key}" if key in taken else key: told for key, told in said.items()}
    together = {**labels, **own}
    if len(together) > MOST_LABELS:
        return None
    if not all(is_name(key) and len(told) <= MOST_VALUE for key, told in together.items()):
        return None
    return Sample(_time(one, now), one.name, value, None, together)


def is_name(said: str) -> bool:
    """Whether signals take it as a name."""
    return len(said) <= foreign.MOST_NAME and NAME.match(said) is not None


def _time(one: Scraped, now: int) -> int:
    """The line's own time where it states one."""
    if one.timestamp is None:
        return now
    return foreign.moment(float(one.timestamp)) or now
