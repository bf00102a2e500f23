"""A body is inflated within bounds of size and of work."""

from __future__ import annotations

import gzip

import pytest

from fedsight.door.inflating import MOST_MEMBERS, inflated
from fedsight.door.refusal import RefusedError


def test_a_body_may_have_several_members_and_not_endlessly_many() -> None:
    member = gzip.compress(b"ab")
    assert inflated(member * MOST_MEMBERS, "gzip", 1000) == b"ab" * MOST_MEMBERS
    with pytest.raises(RefusedError, match="more than 64 gzip members") as refused:
        inflated(gzip.compress(b"") * (MOST_MEMBERS + 1), "gzip", 1000)
    assert refused.value.status == 400
