"""A SuperLink of ours for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions


@pytest.fixture
def superlink() -> Iterator[SuperLink]:
    """A SuperLink in a thread, on a port of its own."""
    link = SuperLink(SuperLinkOptions(port=0))
    link.start()
    yield link
    link.stop()
