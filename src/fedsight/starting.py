"""How processes of ours are begun, and where modules of one's own are found.

The working directory may be anybody's: a folder that was downloaded, or is shared. A file there
that is called `numpy.py` must not be run in the place of the package. So it is never first on the
path of modules; it is on it, last, once a person has named a module of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path


def command(module: str, *arguments: str) -> list[str]:
    """What begins a module of ours as a program: this Python, nothing of the working directory."""
    return [sys.executable, "-P", "-m", module, *arguments]


def find_own_modules() -> None:
    """Let modules in the working directory be imported, after all that is installed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def leave_working_directory() -> None:
    """Take back that `python -m` puts the working directory first, unless fedsight lies there."""
    here = Path.cwd()
    first = sys.path[0] if sys.path else None
    if sys.flags.safe_path or first is None or Path(__file__).parents[1] == here:
        return
    if Path(first or ".").absolute() == here:
        del sys.path[0]
