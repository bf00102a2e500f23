from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.door.addresses import OutboundError, allowed_addresses, check_url, why_forbidden

METADATA = "169.254.169.254"


@pytest.mark.parametrize(
    "address",
    [
        METADATA,
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        f"::ffff:{METADATA}",
        "::ffff:0.0.0.0",
        f"::{METADATA}",
        f"64:ff9b::{METADATA}",
        f"::ffff:0:{METADATA}",
        "2002:a9fe:a9fe::1",
        "::ffff:100.100.100.200",
    ],
)
def test_where_nothing_is_ever_sent(address: str) -> None:
    assert why_forbidden(address) is not None
    assert why_forbidden(address, private=False) is not None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "::ffff:127.0.0.1"]
)
def test_what_is_private_is_the_operators_choice(address: str) -> None:
    assert why_forbidden(address) is None
    assert why_forbidden(address, private=False) is not None


def test_what_is_public_may_be_spoken_to() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1"):
        assert why_forbidden(address, private=False) is None


@given(st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_no_form_of_a_link_local_address_passes(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [str(number), hex(number), f"0{number:o}"]
    forms += [".".join(hex(part) for part in address.packed)]
    forms += [".".join(f"0{part:o}" for part in address.packed)]
    forms += [f"169.254.{number & 0xFFFF}", f"169.{number & 0xFFFFFF}"]
    forms += [f"[::ffff:{address}]", f"[64:ff9b::{address}]"]
    for form in forms:
        with pytest.raises(OutboundError):
            check_url(f"http://{form}:80/latest/meta-data")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://",
        "http:///x",
        "127.0.0.1",
        "http://[",
        "http://127.0.0.1:99999/",
        "http://user:s3cret@127.0.0.1/",
        "http://127.0.0.1/#x",
        "http://127.0.0.1/a\nb",
    ],
)
def test_what_is_no_target(url: str) -> None:
    with pytest.raises(OutboundError) as caught:
        check_url(url)
    assert "s3cret" not in str(caught.value)


def test_this_machine_is_a_target_where_it_may_be() -> None:
    check_url("http://localhost:9093/api")
    with pytest.raises(OutboundError, match="private network"):
        check_url("http://localhost:9093/api", private=False)


def test_a_name_that_does_not_resolve_yet_is_no_error() -> None:
    check_url("https://alerts.invalid/hook")


def test_one_bad_address_of_a_name_is_one_too_many() -> None:
    with pytest.raises(OutboundError, match=r"both\.example \(169\.254\.169\.254\) is link-local"):
        allowed_addresses(["10.0.0.1", METADATA], "both.example")
