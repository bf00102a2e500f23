"""One change or verification at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fedsight.door.refusal import too_many
from fedsight.policy.service.serving import Serving


@contextmanager
def alone(service: Serving) -> Iterator[None]:
    """Hold the service's one turn for what takes long. Raises RefusedError 429."""
    if not service.busy.acquire(blocking=False):
        raise too_many("another change or verification is under way", 1.0)
    try:
        yield
    finally:
        service.busy.release()
