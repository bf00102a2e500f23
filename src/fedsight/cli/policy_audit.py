"""`fedsight policy audit`: is the record of decisions as it was written, and what stays of it?"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fedsight.cli.options import Config
from fedsight.cli.policy_options import AsJson, moment, moment_of, print_json
from fedsight.cli.stored import stored
from fedsight.config import load
from fedsight.errors import FedsightError, StoreError, UsageError

if TYPE_CHECKING:
    from fedsight.policy.audit import Anchor, Verdict

PAGE = 1000

app = typer.Typer(no_args_is_help=True, help="Verify, export and shorten the audit trail.")

TrailFolder = Annotated[
    Path | None,
    typer.Option("--audit", help="Folder of the audit trail.", show_default="audit in data"),
]


@app.callback()
def root() -> None:
    """Verify, export and shorten the audit trail."""


def trail_folder(given: Path | None, config: Path | None) -> Path:
    """The folder of the audit trail. Raises UsageError where there is none."""
    folder = load(config).data / "audit" if given is None else given
    if not folder.is_dir():
        raise UsageError(f"there is no audit trail in {folder}: nothing was decided there yet")
    return folder


@app.command(epilog="Example: fedsight policy audit verify --anchors anchors.jsonl")
def verify(
    audit: TrailFolder = None,
    key: Annotated[
        Path | None,
        typer.Option(help="The public key.", show_default="keys/audit.pub in data", metavar="FILE"),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(help="Anchors as JSON lines.", show_default="the collector's", metavar="FILE"),
    ] = None,
    no_anchors: Annotated[
        bool, typer.Option("--no-anchors", help="Do not look for anchors in the collector's store.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Read the whole trail and name the first record that is wrong; exits with 1 where one is."""
    from fedsight.policy.audit import PublicKey
    from fedsight.policy.audit import verify as verified

    folder = trail_folder(audit, config)
    own = load(config).data / "keys" / "audit"
    public = PublicKey.beside(own) if key is None else PublicKey.read(key)
    found = verified(folder, public, _anchors(anchors, no_anchors, config))
    if as_json:
        print_json({"ok": found.ok, **msgspec.to_builtins(_fields(found))})
    else:
        print(
            f"{found.records:,} records are right, {found.first} to {found.last};"
            f" signed up to {found.signed}, anchored up to {found.anchored}"
        )
    if not found.ok:
        where = f" ({found.where})" if found.where else ""
        raise FedsightError(f"record {found.seq} {found.what}{where}")


def _fields(found: Verdict) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def _anchors(path: Path | None, none: bool, config: Path | None) -> list[Anchor]:
    from fedsight.policy.audit import witness

    if path is not None:
        return witness.read(path)
    return [] if none else _of_collector(config)


def _of_collector(config: Path | None) -> list[Anchor]:
    """What the collector has; without one it is said that nothing vouches for the trail's end."""
    from fedsight.collector.reading import queries
    from fedsight.policy.audit import witness

    details: list[dict[str, Any]] = []
    after = 0
    try:
        with stored(config) as store:
            while True:
                which = queries.EventFilter(after=after, limit=PAGE, kind=witness.AUDIT_ANCHOR)
                page = queries.events(store, None, which)
                details += [one.details for one in page.events]
                if len(page.events) < PAGE:
                    return witness.anchors(details)
                after = page.last_id
    except StoreError as error:
        print(f"fedsight: no anchors, so that a cut end is not seen: {error}", file=sys.stderr)
        return []


@app.command(epilog="Example: fedsight policy audit export --since 7d --output decisions.jsonl")
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="standard output"),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From when on: 7d, 12h, or a time.", metavar="WHEN")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="To before when: 1h, or a time.", metavar="WHEN")
    ] = None,
    audit: TrailFolder = None,
    config: Config = None,
) -> None:
    """Write records as JSON lines, byte by byte as they stand in the trail."""
    from fedsight.policy.audit.exporting import export as exported

    folder = trail_folder(audit, config)
    begin, end = moment(since), moment(until)
    if output is None:
        exported(folder, sys.stdout.buffer, since=begin, until=end)
        return
    try:
        with output.open("wb") as file:
            count = exported(folder, file, since=begin, until=end)
    except OSError as error:
        raise FedsightError(f"cannot write to {output}: {error.strerror or error}") from error
    print(f"{count:,} records are in {output}")


@app.command(epilog="Example: fedsight policy audit retire --before 365d")
def retire(
    before: Annotated[
        str, typer.Option(help="What is older goes: 365d, or a time.", metavar="WHEN")
    ],
    author: Annotated[
        str | None, typer.Option(help="Who does it.", show_default="your user name")
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(help="Anchors as JSON lines.", show_default="the collector's", metavar="FILE"),
    ] = None,
    audit: TrailFolder = None,
    config: Config = None,
) -> None:
    """Remove files of old records, once the whole trail is verified; what stays is still proven.

    Export what goes first, where it is to be kept elsewhere. Others may write meanwhile.
    """
    from fedsight.policy.audit import SigningKey
    from fedsight.policy.retention import retire as retired

    folder, since = trail_folder(audit, config), moment_of(before)
    key = SigningKey.open(load(config).data / "keys" / "audit")
    known = _anchors(anchors, False, config)
    found = retired(folder, key, known, since, author or getpass.getuser())
    if found.gone:
        print(f"{found.gone:,} records are gone; the trail begins with {found.first}")
    else:
        print("nothing is gone: no file of the trail has only records that old")
