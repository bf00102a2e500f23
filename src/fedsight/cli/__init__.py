"""The command `fedsight`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit. Ctrl-C is one word from the first import on."""
    try:
        from fedsight.cli.outcome import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("fedsight: interrupted", file=sys.stderr)
        code = 1
    sys.exit(code)
