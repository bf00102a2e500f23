"""The table of alerts: how they are kept, whom they are sent to, and rules of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.section import Section

Severity = Literal["info", "warning", "critical"]
TypeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.:\-]{0,127}$")]
TargetUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/?#@]+([/?][^\s#]*)?$", max_length=2000)
]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class WebhookSettings(BaseModel):
    """One webhook, and how grave an alert must be for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: TargetUrl
    severity: Severity = "info"


class RuleSettings(BaseModel):
    """One threshold rule of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: TypeName
    metric: MetricName
    labels: dict[MetricName, Annotated[str, StringConstraints(max_length=256)]] = Field(
        default_factory=dict, max_length=8
    )
    aggregation: Literal["mean", "min", "max", "sum", "count", "last", "p50", "p95", "rate"] = (
        "last"
    )
    window_seconds: float = Field(60.0, gt=0, le=86_400)
    above: float | None = Field(None, allow_inf_nan=False)
    below: float | None = Field(None, allow_inf_nan=False)
    for_seconds: Seconds = 0.0
    severity: Severity = "warning"


class AlertSettings(Section):
    """How alerts are kept, whom they are sent to, and rules of one's own."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_ALERTS_")
    table = "alerts"
    keep: int = Field(10_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000")
    keep_days: float = Field(90.0, gt=0, le=3650, description="a number above 0 and at most 3650")
    stale_seconds: float = Field(
        3600.0, ge=60, le=30 * 86_400, description="a number from 60 to 2592000"
    )
    for_seconds: Annotated[dict[TypeName, Seconds], NoDecode] = Field(
        default_factory=dict,
        description="a table of types of alerts with seconds from 0 to 86400, in the environment"
        " TYPE=SECONDS parted by commas",
    )
    counts: Annotated[dict[TypeName, Annotated[int, Field(ge=1, le=1000)]], NoDecode] = Field(
        default_factory=dict,
        description="a table of types of alerts with whole numbers from 1 to 1000, in the"
        " environment TYPE=COUNT parted by commas",
    )
    clear_seconds: float = Field(0.0, ge=0, le=86_400, description="a number from 0 to 86400")
    webhooks: Annotated[tuple[WebhookSettings, ...], NoDecode] = Field(
        (),
        max_length=16,
        repr=False,
        description="at most 16 http or https addresses, or tables with url and severity (info,"
        " warning, critical), in the environment addresses parted by commas",
    )
    webhook_secret: str = Field("", repr=False, description="a text")
    webhook_secret_file: Path | None = Field(None, description="the path of a file that holds it")
    alertmanager_urls: Annotated[tuple[TargetUrl, ...], NoDecode] = Field(
        (),
        max_length=8,
        description="at most 8 http or https addresses, in the environment parted by commas",
    )
    resend_seconds: float = Field(30.0, ge=1, le=3600, description="a number from 1 to 3600")
    rules: tuple[RuleSettings, ...] = Field(
        (),
        max_length=200,
        description="at most 200 tables with name, metric and above or below, and where they are"
        " to differ labels, aggregation, window_seconds, for_seconds and severity",
    )
    rule_seconds: float = Field(15.0, ge=1, le=3600, description="a number from 1 to 3600")

    @field_validator("alertmanager_urls", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [one.strip() for one in value.split(",")] if isinstance(value, str) else value

    @field_validator("webhooks", mode="before")
    @classmethod
    def _tables(cls, value: object) -> object:
        given = cls._parted(value)
        if not isinstance(given, list | tuple):
            return given
        return [{"url": one} if isinstance(one, str) else one for one in given]

    @field_validator("for_seconds", "counts", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (one.partition("=") for one in value.split(","))
        return {name.strip(): number.strip() for name, _, number in pairs}
