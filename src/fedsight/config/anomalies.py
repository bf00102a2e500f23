"""The table of what is watched for anomalies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.section import Section

#: A metric's name; `*` stands for any text, `?` for any character.
MetricPattern = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_*?][A-Za-z0-9_.:\-*?]{0,127}$", min_length=1)
]


class AnomalySettings(Section):
    """Whether what is measured is looked at for anomalies, and how."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_ANOMALIES_")
    table = "anomalies"
    enabled: bool = Field(
        True, validation_alias="enable_anomaly_detection", description="true or false"
    )
    metrics: Annotated[tuple[MetricPattern, ...] | None, NoDecode] = Field(
        None, description="a list of metrics' names, in the environment parted by commas"
    )
    sensitivity: Literal["low", "medium", "high"] = Field(
        "medium", description="one of low, medium, high"
    )
    series: int = Field(256, ge=1, le=10_000, description="a whole number from 1 to 10000")
    memory: int = Field(4000, ge=500, le=100_000, description="a whole number from 500 to 100000")
    history_hours: float = Field(
        24.0, ge=0, le=8760, description="a number of hours from 0 to 8760"
    )

    @field_validator("metrics", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value
