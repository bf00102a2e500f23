"""Asks an InfluxDB and writes to it: the thin edge over the `influxdb` client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from fedsight.collector.influx.address import InfluxAddress
from fedsight.collector.influx.lines import quoted_name
from fedsight.errors import FedsightError

#: Seconds to connect, and between two pieces of an answer.
DEADLINES = (3.0, 30.0)


class InfluxError(FedsightError):
    """InfluxDB cannot be reached, or refused; the sentence says why."""


class UnwritableError(InfluxError):
    """InfluxDB will never take some of these points, such as those older than it keeps any."""


#: How it says so.
FOR_GOOD = ("partial write", "unable to parse")


class Table(NamedTuple):
    """A series of an answer: its tags, and rows of values under named columns, by time."""

    tags: dict[str, str]
    columns: list[str]
    rows: list[list[Any]]


class Influx(Protocol):
    """What we ask of InfluxDB. Each raises InfluxError; for use by any thread."""

    def ask(self, query: str) -> list[Table]:
        """What InfluxQL finds; times in ns."""
        ...

    def write(self, lines: Sequence[str]) -> None:
        """Write points; those that are there already are replaced field by field."""
        ...

    def prepare(self) -> None:
        """Make the database where it is missing."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


def connect(address: InfluxAddress) -> Influx:
    """A client, which connects with its first question."""
    import influxdb
    import requests

    session = requests.Session()
    session.trust_env = False
    client = influxdb.InfluxDBClient(
        address.host,
        address.port,
        address.user or None,
        address.password or None,
        address.database,
        ssl=address.tls,
        verify_ssl=address.tls,
        timeout=DEADLINES,
        retries=1,
        session=session,
    )
    return _Connected(address, client)


class _Connected:
    """As `Influx`."""

    def __init__(self, address: InfluxAddress, client: Any) -> None:
        self._address = address
        self._client = client

    def ask(self, query: str) -> list[Table]:
        answer = self._tried(lambda: self._client.query(query, epoch="ns"))
        return [
            Table(each.get("tags", {}), each["columns"], each["values"])
            for each in answer.raw.get("series", [])
        ]

    def write(self, lines: Sequence[str]) -> None:
        params = {"db": self._address.database, "precision": "ns"}
        if self._address.retention:
            params["rp"] = self._address.retention
        self._tried(lambda: self._client.write(lines, params, protocol="line"))

    def prepare(self) -> None:
        database = quoted_name(self._address.database)
        self._tried(lambda: self._client.query(f"CREATE DATABASE {database}", method="POST"))

    def close(self) -> None:
        self._client.close()

    def _tried(self, work: Any) -> Any:
        from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError
        from requests import RequestException

        try:
            return work()
        except RequestException as error:
            cause = type(error).__name__
            raise InfluxError(f"{self._address} cannot be reached: {cause}") from error
        except InfluxDBClientError as error:
            for_good = error.code == 400 and any(each in str(error) for each in FOR_GOOD)
            kind = UnwritableError if for_good else InfluxError
            raise kind(f"{self._address} refused: {_short(error)}") from error
        except InfluxDBServerError as error:
            raise InfluxError(f"{self._address} failed: {_short(error)}") from error


def _short(error: Exception) -> str:
    return str(error)[:300]
