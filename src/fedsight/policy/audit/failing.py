"""What is said where the trail cannot be opened, written or followed."""

from __future__ import annotations

from pathlib import Path

from fedsight.policy.audit.following import DO
from fedsight.policy.audit.record import AuditError, TurnError
from fedsight.policy.audit.turns import HeldError


def unopened(folder: Path, error: OSError) -> AuditError:
    """It cannot be opened."""
    return _error("open", folder, error)


def unwritten(folder: Path, error: OSError) -> AuditError:
    """It cannot be written."""
    return _error("write", folder, error)


def unreadable(folder: Path, error: OSError) -> AuditError:
    """What others wrote cannot be followed, or there is no turn to be had."""
    return _error("go on with", folder, error)


def unready(folder: Path, why: str) -> TurnError:
    """It cannot be gone on with without waiting, or without waiting longer."""
    return TurnError(f"cannot go on with the audit trail {folder}: {why}")


def unsynced(folder: Path, why: str) -> AuditError:
    """What was written may not be on disk, and there is no way to see to it."""
    return AuditError(
        f"cannot write the audit trail {folder}: {why}: what was recorded last may be lost, and"
        f" nothing more is recorded until this program is started again; {DO}"
    )


def late(folder: Path, seconds: float) -> AuditError:
    """It is not known whether what was written reaches the disk."""
    why = f"its disk has not answered for more than {seconds:g} s"
    return AuditError(f"cannot write the audit trail {folder}: {why}")


def removed(folder: Path) -> AuditError:
    """What is written here is not what others find in the folder."""
    return AuditError(f"files of the audit trail {folder} were removed; {DO}")


def _error(what: str, folder: Path, error: OSError) -> AuditError:
    kind = TurnError if isinstance(error, HeldError) else AuditError
    return kind(f"cannot {what} the audit trail {folder}: {error.strerror or error}")
