"""`fedsight policy trust`: how clients behaved, by the evidence of the runs of a data directory."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.options import Config
from fedsight.cli.policy_options import AsJson, SetFolder, print_json, print_table
from fedsight.config import load
from fedsight.errors import UsageError

if TYPE_CHECKING:
    from fedsight.policy.shared_trust import SharedTrust
    from fedsight.policy.trust import Change

app = typer.Typer(no_args_is_help=True, help="Show and reset the trust of clients.")

Client = Annotated[str, typer.Argument(help="A client's name.")]


@app.callback()
def root() -> None:
    """Show and reset the trust of clients."""


@contextmanager
def _book(config: Path | None) -> Iterator[SharedTrust]:
    from fedsight.policy.shared_trust import TRUST, SharedTrust

    path = load(config).data / TRUST
    if not path.exists():
        raise UsageError(f"no run has learned of any client yet: there is no {path}")
    with closing(SharedTrust(path)) as book:
        yield book


@app.command("list", epilog="Example: fedsight policy trust list")
def list_(as_json: AsJson = False, config: Config = None) -> None:
    """The score of every client, the lowest first."""
    with _book(config) as book:
        scores = book.scores(time.time_ns())
    ranked = sorted(scores.items(), key=lambda pair: (pair[1], pair[0]))
    if as_json:
        print_json([{"client": client, "score": score} for client, score in ranked])
        return
    print_table(("client", "trust"), ((client, f"{score:.3f}") for client, score in ranked))


@app.command(epilog="Example: fedsight policy trust show hospital-a")
def show(client: Client, as_json: AsJson = False, config: Config = None) -> None:
    """A client's score, and how it came to be: the newest change last."""
    with _book(config) as book:
        if not book.knows(client):
            raise UsageError(f"nothing is known of {client}")
        score, history = book.score(client, time.time_ns()), book.history(client)
    if as_json:
        print_json({"client": client, "score": score, "history": history})
        return
    heads = ("time", "cause", "before", "after", "run", "round", "note")
    print_table(heads, map(_row, history))
    print(f"the trust of {client} is {score:.3f} now")


def _row(one: Change) -> tuple[str, ...]:
    from fedsight.door.times import rfc3339

    where = one.run or "", "" if one.round is None else str(one.round)
    scores = f"{one.before:.3f}", f"{one.after:.3f}"
    return f"{rfc3339(one.time)[:19]}Z", one.cause, *scores, *where, one.note


@app.command(epilog="Example: fedsight policy trust reset hospital-a --reason 'a sensor replaced'")
def reset(
    client: Client,
    reason: Annotated[str, typer.Option(help="Why; it is in the audit trail.")],
    author: Annotated[
        str | None, typer.Option(help="Who does it.", show_default="your user name")
    ] = None,
    rules: SetFolder = None,
    config: Config = None,
) -> None:
    """Forget all evidence of a client, as the policy permits an administrator; recorded first."""
    from fedsight.policy import Party, Ref, resetting
    from fedsight.policy.audit import SigningKey, Trail
    from fedsight.policy.overseer import EVENT, Overseer, event_body
    from fedsight.policy.watching import InForce

    settings = load(config)
    who = Party("Operator", author or getpass.getuser(), groups=(Ref("Role", "admin"),))
    force = InForce(rules or settings.policy.rules or settings.data / "policy")
    key = SigningKey.open(settings.data / "keys" / "audit")
    with _book(config) as book, Trail(settings.data / "audit", key) as trail:
        now = time.time_ns()
        resetting.permitted(Overseer(lambda: force.engine, trail), who, now)
        # Its turn comes first: nobody waits for that while the book is held.
        with trail.turn():
            change = resetting.reset(
                book,
                lambda one: trail.append(EVENT, event_body(one.event())),
                who,
                client,
                reason,
                now,
            )
    print(f"the trust of {client} was {change.before:.3f} and is {change.after:.3f}")
