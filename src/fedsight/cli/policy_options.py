"""What the commands of `fedsight policy` share: which set, which moment, JSON."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsight.cli.screen import printable
from fedsight.config import load
from fedsight.errors import UsageError

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
#: The width of a table that no terminal limits, and of a name in one that a terminal does.
WIDE, LONGEST = 200, 40
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SetFolder = Annotated[
    Path | None,
    typer.Option("--set", help="Folder of the policy set.", show_default="policy in data"),
]
#: The same without the name of the option, where a command takes nothing else.
Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder of the policy set.", show_default="policy in data"),
]


def either(folder: Path | None, rules: Path | None) -> Path | None:
    """The one of the two that was given. Raises UsageError where both were."""
    if folder is not None and rules is not None:
        raise UsageError(f"name one set: {folder} or --set {rules}")
    return folder or rules


def new_folder(given: Path | None, config: Path | None) -> Path:
    """The folder of the policy set, whether it is there or not."""
    if given is not None:
        return given
    settings = load(config)
    return settings.policy.rules or settings.data / "policy"


def set_folder(given: Path | None, config: Path | None) -> Path:
    """The folder of the policy set. Raises UsageError where there is none."""
    return there(new_folder(given, config), given is None)


def there(folder: Path, usual: bool = False) -> Path:
    """A folder that is to have a policy set. Raises UsageError where it is not there."""
    if not folder.is_dir():
        named = "" if usual else f" {folder}"
        raise UsageError(
            f"there is no policy set in {folder}; `fedsight policy init{named}` writes one"
        )
    return folder


def moment(written: str | None) -> int | None:
    """See `moment_of`; None where nothing was written."""
    return None if written is None else moment_of(written)


def moment_of(written: str) -> int:
    """`7d` ago, or a time such as 2026-11-26T12:00:00Z, in Unix nanoseconds."""
    ago = _AGO.fullmatch(written)
    if ago is not None:
        return time.time_ns() - int(float(ago[1]) * _UNITS[ago[2]] * 1e9)
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise UsageError(
            f"a moment is 7d, 12h, 30m ago, or a time as 2026-11-26T12:00:00Z, got {written!r}"
        ) from None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000) * 1000


def print_json(found: object) -> None:
    """Print it, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print texts that others wrote, as they are: none of them colours or steers the terminal."""
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    told = [[printable(cell) for cell in row] for row in rows]
    # Names are looked for and copied: they are not cut short.
    longest = max((len(row[0]) for row in told), default=0)
    table.columns[0].overflow, table.columns[0].min_width = "fold", min(longest, LONGEST)
    for row in told:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
