"""The table `[ingest]`: bounds on what producers may send."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fedsight.config.section import Section


class IngestSettings(Section):
    """How much may come in, and from when."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_INGEST_")
    table = "ingest"
    requests_a_second: float = Field(
        10_000.0, gt=0, description="requests a second of each address, above 0"
    )
    body_mb: int = Field(32, ge=1, le=1024, description="a whole number of MiB from 1 to 1024")
    waiting_mb: int = Field(64, ge=1, le=16384, description="a whole number of MiB from 1 to 16384")
    most_series: int = Field(1_000_000, ge=1, description="a whole number, at least 1")
    new_series_a_minute: int = Field(100_000, ge=1, description="a whole number, at least 1")
    future_seconds: float = Field(600.0, ge=0, description="seconds, at least 0")
