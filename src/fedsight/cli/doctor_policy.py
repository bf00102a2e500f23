"""What `fedsight doctor` says of a data directory's policy set and record of decisions."""

from __future__ import annotations

from pathlib import Path

from fedsight.cli.findings import Finding
from fedsight.cli.options import size
from fedsight.config import Settings

SET, TRAIL = "policy set", "audit trail"


def governance(settings: Settings) -> list[Finding]:
    """How both stand. Neither is needed to train."""
    named = settings.policy.rules
    return [_set(named or settings.data / "policy", named is not None), _trail(settings.data)]


def _set(folder: Path, named: bool) -> Finding:
    from fedsight.policy import PolicyError, files

    if not folder.is_dir() and not named:
        return Finding(SET, "ok", "none; `fedsight policy init` writes one")
    try:
        found = files.read(folder)
    except PolicyError as error:
        return Finding(SET, "note", str(error), f"fedsight policy validate --set {folder}")
    told = f"version {found.version}, {len(found.rules)} rules, in {folder}"
    if found.warnings:
        return Finding(SET, "note", f"{told}: {'; '.join(found.warnings)}")
    return Finding(SET, "ok", told)


def _trail(data: Path) -> Finding:
    parts = [path for path in (data / "audit").glob("*.jsonl") if path.is_file()]
    if not parts:
        return Finding(TRAIL, "ok", "none: nothing was decided here")
    held = size(sum(path.stat().st_size for path in parts))
    return Finding(TRAIL, "ok", f"{held}, not read; `fedsight policy audit verify` reads it")
