"""From settings to the server that events are sent to."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from fedsight.config import ElasticsearchSettings, Settings
from fedsight.errors import SettingsError

if TYPE_CHECKING:
    from fedsight.collector.export.bulk import SearchServer


def search_server(settings: Settings) -> SearchServer | None:
    """Where events go; None where no address is set.

    Raises SettingsError where the address is forbidden or a file cannot be read.
    """
    wanted = settings.elasticsearch
    if not wanted.url:
        return None
    from fedsight.collector.export.bulk import SearchServer
    from fedsight.collector.export.elastic import trusted
    from fedsight.door.addresses import OutboundError, check_url

    try:
        check_url(wanted.url)
    except OutboundError as error:
        raise SettingsError(f"elasticsearch.url: {error}") from None
    server = SearchServer(
        wanted.url, wanted.index, wanted.batch_events, authorization(wanted), wanted.ca_file
    )
    trusted(server)
    return server


def authorization(wanted: ElasticsearchSettings) -> str | None:
    """The header that says who we are; None for nobody.

    Raises SettingsError for two ways at once, or a user without a password.
    """
    key = _secret("api_key", wanted.api_key, wanted.api_key_file)
    password = _secret("password", wanted.password, wanted.password_file)
    if key is not None and wanted.user:
        raise SettingsError("set elasticsearch.api_key or elasticsearch.user, not both")
    if wanted.user:
        if password is None:
            raise SettingsError(
                f"elasticsearch.user {wanted.user!r} needs elasticsearch.password_file or"
                " elasticsearch.password"
            )
        pair = f"{wanted.user}:{password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    return None if key is None else f"ApiKey {key}"


def _secret(name: str, said: SecretStr | None, file: Path | None) -> str | None:
    if said is not None and file is not None:
        raise SettingsError(f"set elasticsearch.{name} or elasticsearch.{name}_file, not both")
    if file is None:
        return None if said is None else printable(name, said.get_secret_value())
    try:
        return printable(name, file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"cannot read elasticsearch.{name}_file {file}: {why}") from None


def printable(name: str, secret: str) -> str:
    """The secret; raises SettingsError, without it, where no header could carry it."""
    if not secret or not secret.isprintable():
        raise SettingsError(f"elasticsearch.{name} must be one line of text that is not empty")
    return secret
