"""Replaces the set in copies of a folder, killed one line later in each.

    python -m tests.policy.killed ORIGINAL COPIES

In `COPIES/k` it was killed before the k-th line of the modules that write; in the last one it came
to its end. One process that forks, as a start of Python for each line would take minutes.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import msgspec

from fedsight.policy import disk, files, replacing, versions
from fedsight.policy.ruleset import ruleset

_FILES = {module.__file__ for module in (disk, replacing, versions)}
_MOST = 2000


def _dies(after: int) -> Any:
    left = after

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in _FILES:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def main(original: Path, copies: Path) -> int:
    """Make the copies; 0 where the last one came to its end."""
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, str])
    new, old = ruleset(given), files.read(original)
    # Judged once: that the set is right is not what is looked at here. And a process that is killed
    # loses nothing that was written.
    known = mock.patch.object(versions, "ruleset", lambda asked: new if asked == given else old)
    with known, mock.patch.object(os, "fsync"):
        return _copied(given, original, copies)


def _copied(given: dict[str, str], original: Path, copies: Path) -> int:
    for line in range(_MOST):
        folder = copies / str(line)
        shutil.copytree(original, folder)
        child = os.fork()
        if child == 0:
            sys.settrace(_dies(line))
            versions.Versions(folder).replace(given, "anna", "stricter")
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
