"""`fedsight login`: an address with which one browser may use the dashboard's controls."""

from __future__ import annotations

import json
import ssl
from typing import Annotated

import httpx
import typer

from fedsight.cli.attached import PROBE_SECONDS, answers, collector_url, reachable, token
from fedsight.cli.options import Config
from fedsight.config import load
from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.errors import FedsightError

EXAMPLES = "Example: fedsight login, then open the address it prints"


def login(
    port: Annotated[
        int | None, typer.Option(help="The dashboard's port.", show_default="8083")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: Config = None,
) -> None:
    """Print a one-time address that lets one browser pause, resume and stop runs."""
    settings = load(config)
    host = settings.collector.host
    number = settings.collector.port if port is None else port
    if not is_loopback(host):
        raise FedsightError(
            f"the collector at {host} is bound beyond loopback: it prints an address of its own"
            " at its start, and another whenever one was used"
        )
    if not answers(settings, number):
        raise FedsightError(
            f"no collector answers at {reachable(host)}:{number};"
            " `fedsight run` or `fedsight serve collector` starts one"
        )
    if strangers(number):
        raise FedsightError(f"port {number} is held by another user's program: it gets no token")
    found = new_address(
        collector_url(settings, number), token(settings.data), settings.collector.trust.verify()
    )
    print(json.dumps({"address": found}) if as_json else found)


def new_address(url: str, secret: str, verify: ssl.SSLContext | bool = True) -> str:
    """A one-time address of the collector at `url`, which is known to be ours.

    Raises FedsightError where it gives none.
    """
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    try:
        reply = httpx.post(
            f"{url}/api/v1/login",
            headers=headers,
            timeout=PROBE_SECONDS,
            trust_env=False,
            verify=verify,
        )
        reply.raise_for_status()
        return str(reply.json()["address"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise FedsightError(f"the collector at {url} gives no address: {error}") from error
