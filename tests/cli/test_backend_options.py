from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.backend_options import backend_options
from fedsight.collector.backend_options import BackendOptions
from fedsight.collector.current.remote import RedisAddress
from fedsight.collector.influx.address import InfluxAddress
from fedsight.config import load
from fedsight.errors import SettingsError


def options(folder: Path, text: str) -> BackendOptions:
    file = folder / "fedsight.toml"
    file.write_text(text)
    return backend_options(load(file))


def test_by_default_everything_is_here(tmp_path: Path) -> None:
    assert options(tmp_path, "") == BackendOptions()


def test_influxdb_and_redis_are_used_where_they_are_asked_for(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    found = options(
        tmp_path,
        f"""
        [store]
        backend = "influxdb"
        waiting_samples = 10
        [influxdb]
        host = "influx.example"
        user = "u"
        password_file = "{secret}"
        [cache]
        backend = "redis"
        [redis]
        port = 1234
        password = "hunter3"
        """,
    )
    influx = InfluxAddress("influx.example", 8086, "fedsight", "u", "hunter2")
    assert found == BackendOptions(influx, RedisAddress("localhost", 1234, "hunter3"), 10)
    assert "hunter" not in repr(found)


def test_their_settings_alone_use_neither(tmp_path: Path) -> None:
    assert options(tmp_path, '[redis]\nhost = "r"\n[influxdb]\nhost = "i"') == BackendOptions()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[store]\nbackend = "files"', "store.backend .* must be one of embedded, influxdb"),
        ('[cache]\nbackend = "disk"', "cache.backend .* must be one of memory, redis"),
        ('[influxdb]\nhost = "http://x"', "influxdb.host .* must be a host name or an address"),
        (
            '[cache]\nbackend = "redis"\n[redis]\npassword = "a"\npassword_file = "b"',
            "set redis.password or redis.password_file, not both",
        ),
        (
            '[cache]\nbackend = "redis"\n[redis]\npassword_file = "/nowhere/at/all"',
            "cannot read redis.password_file /nowhere/at/all",
        ),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        options(tmp_path, text)
