"""What one table of the configuration is."""

from __future__ import annotations

from typing import ClassVar

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class Section(BaseSettings):
    """One table of the file. A field's description completes the sentence `KEY must be ...`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=True)
    table: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file (which arrives as arguments); nothing else."""
        return env_settings, init_settings

    @classmethod
    def key(cls, field: str) -> str:
        """The field's name in the file: `collector.port`."""
        return f"{cls.table}.{field}" if cls.table else field

    @classmethod
    def variable(cls, field: str) -> str:
        """The field's name in the environment: `COLLECTOR_PORT`.

        One with an alias stands there under that name alone: `MIN_CLIENTS`.
        """
        alias = cls.model_fields[field].validation_alias if field in cls.model_fields else None
        return (str(alias) if alias else f"{cls.model_config['env_prefix']}{field}").upper()
