"""To which addresses a service of ours never speaks, whoever names them.

A target such as a webhook is chosen by the operator's settings, never by a request; even so its
name may lead to where a machine's secrets are: cloud metadata services answer whoever asks from
inside (OWASP API7:2023, server-side request forgery). What counts is the address that a name
resolves to, in whatever way it was written: `http://2852039166/` is 169.254.169.254.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from fedsight.errors import FedsightError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Never, not even where the operator's settings say so: what stands there, and why it is refused.
#: https://www.iana.org/assignments/iana-ipv4-special-registry and the clouds' own pages.
FORBIDDEN: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("169.254.0.0/16", "link-local, where clouds keep metadata and keys"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local, which is no more in use"),
        ("100.100.100.200/32", "Alibaba Cloud's metadata service"),
        ("168.63.129.16/32", "Azure's platform service"),
        ("192.0.0.192/32", "Oracle Cloud's metadata service"),
        ("fd00:ec2::/32", "AWS's metadata service"),
        ("fd20:ce::254/128", "Google Cloud's metadata service"),
        ("0.0.0.0/8", "no address of a host"),
        ("::/128", "no address of a host"),
        ("224.0.0.0/4", "multicast"),
        ("ff00::/8", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
#: Prefixes whose addresses hold an IPv4 address, and at which bit it ends.
EMBEDDING: tuple[tuple[ipaddress.IPv6Network, int], ...] = (
    (ipaddress.IPv6Network("::/96"), 128),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 128),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 128),
    (ipaddress.IPv6Network("64:ff9b::/96"), 128),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 128),
    (ipaddress.IPv6Network("2002::/16"), 48),
)
SCHEMES = ("http", "https")


class OutboundError(FedsightError):
    """A target that is not spoken to; the message names it and says why."""


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, translated, 6to4), else itself."""
    if isinstance(address, ipaddress.IPv4Address) or address in (
        ipaddress.IPv6Address("::"),
        ipaddress.IPv6Address("::1"),
    ):
        return address
    for network, end in EMBEDDING:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> (128 - end) & 0xFFFFFFFF)
    return address


def why_forbidden(text: str, *, private: bool = True) -> str | None:
    """Why an address (as text, a zone is ignored) is not spoken to; None where it may be.

    `private`: whether this machine and private networks may be.
    """
    address = embedded(ipaddress.ip_address(text.partition("%")[0]))
    for network, why in FORBIDDEN:
        if address.version == network.version and address in network:
            return why
    if not private and not address.is_global:
        return "an address of this machine or of a private network"
    return None


def allowed_addresses(found: list[str], host: str, *, private: bool = True) -> list[str]:
    """The resolved addresses of a host, all of which must be allowed.

    Raises OutboundError naming the one that is not: a name with both kinds is a trap.
    """
    for address in found:
        why = why_forbidden(address, private=private)
        if why is not None:
            named = host if host == address else f"{host} ({address})"
            raise OutboundError(f"{named} is {why}: nothing is sent there")
    return found


def check_url(url: str, *, private: bool = True) -> None:
    """Raise OutboundError where a target is no http(s) address or leads to a forbidden one.

    A name that does not resolve now is let through: it is checked again at every connection.
    """
    try:
        place = urlsplit(url)
        host, _ = place.hostname, place.port
    except ValueError as error:
        raise OutboundError(f"{url!r} is no address: {error}") from None
    if place.scheme not in SCHEMES or not host or not url.isprintable():
        raise OutboundError(f"{_shown(url)!r} must be an http or https address")
    if place.username is not None or place.fragment:
        raise OutboundError(f"{_shown(url)!r} must not hold a user, a password or a fragment")
    try:
        allowed_addresses(resolved(host), host, private=private)
    except (OSError, UnicodeError):
        return


def resolved(host: str) -> list[str]:
    """What the system's resolver finds, without doubles; raises OSError where it finds nothing."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _shown(url: str) -> str:
    """A target as it may be told: without user, password and query, which may be secrets."""
    head, _, rest = url.partition("://")
    place = rest.partition("?")[0].partition("#")[0]
    return f"{head}://{place.rpartition('@')[2]}" if rest else url
