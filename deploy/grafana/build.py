"""Writes the dashboards' JSON: `python -m deploy.grafana.build` in the repository's root.

Every expression lies in the part of PromQL that the collector evaluates (docs/queries.md).
"""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.operation import collector, network
from deploy.grafana.training import federation, run

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = {"federation": federation, "run": run, "network": network, "collector": collector}


def documents() -> dict[str, str]:
    """The text of each file, by its name."""
    encoder = JSONEncoder(sort_keys=True, indent=1)
    return {f"{name}.json": encoder.encode(make()) + "\n" for name, make in BOARDS.items()}


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
