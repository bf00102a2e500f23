"""The tables of what leaves the collector: exports as files, events to Elasticsearch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from fedsight.config.section import Section


class ExportSettings(Section):
    """How long files of exports are kept, and how much they may take up."""

    model_config = SettingsConfigDict(env_prefix="EXPORT_")
    table = "export"
    retention_days: int = Field(
        7, ge=1, le=3650, description="a whole number of days from 1 to 3650"
    )
    max_bytes: int = Field(
        4 * 2**30, ge=2**20, description="a number of bytes, at least 1048576 (1 MiB)"
    )


class ElasticsearchSettings(Section):
    """Where events are sent to, and as whom. Secrets may stand in files of their own."""

    model_config = SettingsConfigDict(env_prefix="ELASTICSEARCH_")
    table = "elasticsearch"
    url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#@]+)?$",
        description="an address such as https://search.example:9200, without a user; empty: off",
    )
    index: str = Field(
        "fedsight-events-%Y.%m",
        min_length=1,
        max_length=200,
        pattern=r"^[a-z0-9.][a-z0-9._\-]*(%[Ymd][a-z0-9._\-]*)*$",
        description="a name of lower-case letters, digits and .-_, in which %Y, %m and %d stand"
        " for an event's year, month and day",
    )
    batch_events: int = Field(500, ge=1, le=10_000, description="a whole number from 1 to 10000")
    user: str = Field("", description="a name; empty: no basic authentication")
    password: SecretStr | None = Field(None, description="the user's password")
    password_file: Path | None = Field(None, description="the path of a file that holds it")
    api_key: SecretStr | None = Field(None, description="an API key as the server encodes it")
    api_key_file: Path | None = Field(None, description="the path of a file that holds it")
    ca_file: Path | None = Field(
        None, description="the path of a PEM file with the authority that vouches for the server"
    )
