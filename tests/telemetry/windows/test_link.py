"""What dataClay is reached through: on private networks alone."""

from __future__ import annotations

import pytest

from fedsight.errors import UsageError
from fedsight.telemetry.windows.link import AwayError, Link


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888"])
def test_a_public_address_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match=f"windows.dataclay_host {host} is {host}, which is on no"):
        Link(host, 16587, 1.0)


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(AwayError, match="the name of dataClay's host nobody"):
        Link("nobody.invalid", 16587, 1.0)
