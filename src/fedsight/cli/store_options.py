"""How samples are kept, from settings to what the collector takes."""

from __future__ import annotations

from fedsight.collector.store.retention import Retention, Upkeeping
from fedsight.config import Settings


def upkeeping(settings: Settings) -> Upkeeping:
    """Raises SettingsError where roll-ups would go before their samples."""
    store = settings.store
    kept = Retention(store.raw_days or None, store.rollup_days or None, store.max_mb or None)
    return Upkeeping(store.seal_samples, store.seal_seconds, kept=kept)
