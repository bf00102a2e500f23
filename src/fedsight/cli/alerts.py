"""`fedsight alerts`: what is wrong, who has seen it, and who is not to be told."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fedsight.cli.attached import PROBE_SECONDS, answers, collector_url, token
from fedsight.cli.options import UNKNOWN, Config
from fedsight.cli.stored import stored
from fedsight.config import Settings, load
from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.errors import FedsightError, UsageError

WIDE = 200
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MATCHER = re.compile(r"([A-Za-z_][A-Za-z0-9_.:\-]*)(=~|!~|!=|=)(.*)", re.DOTALL)
STATES = ("pending", "firing", "resolved")

app = typer.Typer(no_args_is_help=True, help="List, acknowledge and silence alerts.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option(help="Who says so.", show_default="your user name")]
Comment = Annotated[str, typer.Option(help="What there is to say.", show_default=False)]
Port = Annotated[int | None, typer.Option(help="The collector's port.", show_default="8083")]


@app.command("list", epilog="Example: fedsight alerts list --state firing")
def list_alerts(
    state: Annotated[
        str | None, typer.Option(help="Only those: pending, firing or resolved.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Only those of this run.", metavar="RUN")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List alerts, newest first."""
    from fedsight.collector.alerts import table
    from fedsight.collector.alerts.silences import silencing, standing
    from fedsight.door.times import now_ns

    if state is not None and state not in STATES:
        raise UsageError(f"state must be pending, firing or resolved, got {state!r}")
    now = now_ns()
    with stored(config) as store:
        which = table.AlertFilter(state=state, run=run, limit=limit)
        records, total = table.page(store, which)
        silences = standing(store, now)
        found = [
            one.told(None if one.state == "resolved" else silencing(silences, one, now))
            for one in records
        ]
    if as_json:
        _print({"alerts": found, "total": total})
    elif found:
        rows = [
            (
                str(one.id),
                one.state,
                one.severity,
                one.type,
                one.started[:19],
                _seen(one),
                one.message,
            )
            for one in found
        ]
        _table(("alert", "state", "severity", "type", "started", "seen by", "message"), rows)
    else:
        print("no alerts")


def _seen(alert: Any) -> str:
    if alert.acknowledged is not None:
        return str(alert.acknowledged.by)
    return "" if alert.silence is None else f"silence {alert.silence}"


@app.command(epilog="Example: fedsight alerts ack 7 --comment 'I look into it'")
def ack(
    alert: Annotated[int, typer.Argument(min=1, help="Its number.", metavar="ALERT")],
    by: By = None,
    comment: Comment = "",
    port: Port = None,
    config: Config = None,
) -> None:
    """Say that somebody has seen an alert."""
    body = {"by": by or _user(), "comment": comment}
    told = _ask(load(config), port, "POST", f"/api/v1/alerts/{alert}/acknowledge", body)
    print(f"alert {alert} acknowledged by {told['acknowledged']['by']}: {told['message']}")


@app.command(epilog="Example: fedsight alerts silence run=r-3fa9c01b type=~'network_.*' --for 2h")
def silence(
    matchers: Annotated[
        list[str],
        typer.Argument(
            help="LABEL=VALUE, LABEL!=VALUE, or =~ and !~ with a regular expression;"
            " labels are type, severity, run, node and the alert's own.",
            metavar="MATCHER...",
        ),
    ],
    duration: Annotated[
        str, typer.Option("--for", help="How long, such as 30m, 2h or 1d.", metavar="TIME")
    ] = "1h",
    by: By = None,
    comment: Comment = "",
    port: Port = None,
    config: Config = None,
) -> None:
    """Send no messages about alerts that match, all matchers together."""
    from fedsight.door.times import now_ns, rfc3339

    ends = now_ns() + int(seconds_of(duration) * 10**9)
    body = {
        "matchers": [matcher_of(text) for text in matchers],
        "ends": rfc3339(ends),
        "by": by or _user(),
        "comment": comment,
    }
    told = _ask(load(config), port, "POST", "/api/v1/silences", body)
    number, until = told["id"], told["ends"][:19]
    print(f"silence {number} until {until}Z; end it: fedsight alerts unsilence {number}")


@app.command(epilog="Example: fedsight alerts unsilence 3")
def unsilence(
    silence: Annotated[int, typer.Argument(min=1, help="Its number.", metavar="SILENCE")],
    port: Port = None,
    config: Config = None,
) -> None:
    """End a silence; what it held back is sent now."""
    _ask(load(config), port, "DELETE", f"/api/v1/silences/{silence}", None)
    print(f"silence {silence} ended")


@app.command(epilog="Example: fedsight alerts silences")
def silences(as_json: AsJson = False, config: Config = None) -> None:
    """List silences, newest first, also those that are over."""
    from fedsight.collector.alerts.silences import silence_page

    with stored(config) as store:
        records, total = silence_page(store, 100, 0)
    found = [record.told() for record in records]
    if as_json:
        _print({"silences": found, "total": total})
    elif found:
        rows = [
            (
                str(one.id),
                " ".join(f"{m.label}{m.op}{m.value}" for m in one.matchers),
                f"{one.starts[:19]}Z",
                f"{one.ends[:19]}Z",
                one.by or UNKNOWN,
                one.comment,
            )
            for one in found
        ]
        _table(("silence", "matchers", "starts", "ends", "by", "comment"), rows)
    else:
        print("no silences")


def seconds_of(text: str) -> float:
    """The seconds of `30m`; raises UsageError where it is no time, or longer than a silence."""
    found = DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * UNIT_SECONDS[found[2]] if found else 0.0
    if not 1 <= seconds <= 366 * 86_400:
        raise UsageError(f"--for must be a time such as 30m, 2h or 1d, at most 366d, got {text!r}")
    return seconds


def matcher_of(text: str) -> dict[str, str]:
    """A matcher as the API takes it; raises UsageError where it is none."""
    found = MATCHER.fullmatch(text)
    if found is None:
        raise UsageError(f"a matcher is LABEL=VALUE (or !=, =~, !~), got {text!r}")
    return {"label": found[1], "op": found[2], "value": found[3]}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return UNKNOWN


def _ask(settings: Settings, port: int | None, method: str, path: str, body: Any) -> dict[str, Any]:
    """What the collector answers to a change. Raises FedsightError where it refuses or is away."""
    number = settings.collector.port if port is None else port
    url = collector_url(settings, number)
    if is_loopback(settings.collector.host):
        if not answers(settings, number):
            raise FedsightError(
                f"no collector answers at {url}; `fedsight serve collector` starts one"
            )
        if strangers(number):
            raise FedsightError(f"port {number} is held by another user's program")
    headers = {"Authorization": f"Bearer {token(settings.data)}"}
    verify = settings.collector.trust.verify()
    try:
        reply = httpx.request(
            method,
            f"{url}{path}",
            json=body,
            headers=headers,
            timeout=PROBE_SECONDS,
            trust_env=False,
            verify=verify,
        )
        told: dict[str, Any] = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise FedsightError(f"the collector at {url} does not answer: {error}") from error
    if reply.status_code >= 400:
        raise FedsightError(f"the collector refused: {told['error']['message']}")
    return told


def _print(answer: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=title != titles[-1])
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDE, markup=False).print(table)
