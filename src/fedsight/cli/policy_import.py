"""`fedsight policy import`: another project's rule file as a policy set."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.policy_options import AsJson, print_json
from fedsight.cli.screen import printable
from fedsight.errors import UsageError

EXAMPLE = "Example: fedsight policy import policies.json --to candidate"


def import_(
    file: Annotated[Path, typer.Argument(help="FLOPY-NET's rule file.", metavar="FLOPY.json")],
    to: Annotated[Path, typer.Option(help="The folder of the new set.", metavar="DIR")],
    author: Annotated[
        str | None, typer.Option(help="Who does it.", show_default="your user name")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Carry FLOPY-NET's rules over to a policy set, and report what could not be.

    What is not understood is never allowed: a rule that allows is left out, one that denies denies
    more.
    """
    from fedsight.policy import files
    from fedsight.policy.flopy import imported
    from fedsight.policy.ruleset import MOST_BYTES
    from fedsight.policy.versions import Versions

    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from error
    found, rules = imported(content)
    files.vacant(to)
    note = f"imported from {file.name}"
    Versions(to).replace(found.files, author or getpass.getuser(), note)
    if as_json:
        notes = [{"where": one.where, "what": one.what} for one in found.notes]
        print_json({"version": rules.version, "rules": found.rules, "notes": notes})
        return
    for one in found.notes:
        print(printable(f"fedsight: {one.where}: {one.what}"), file=sys.stderr)
    print(
        f"{len(found.rules)} rules are in {to}, {len(found.notes)} remarks: version {rules.version}"
    )
