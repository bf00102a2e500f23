"""Waiting for news by looking, never for longer than was said."""

from __future__ import annotations

import time
from collections.abc import Callable

from fedsight.telemetry.windows.contract import WindowTimeoutError, check_timeout


def wait_for(is_new: Callable[[], bool], timeout: float, poll: float, node: str) -> None:
    """Look every `poll` seconds whether there is news. Raises WindowTimeoutError."""
    deadline = time.monotonic() + check_timeout(timeout)
    while not is_new():
        left = deadline - time.monotonic()
        if left <= 0:
            raise WindowTimeoutError(f"nothing new of node {node} in {timeout:g} s")
        time.sleep(min(poll, left))
