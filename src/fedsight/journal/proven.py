"""The sink that sends to the collector of a data directory and to nobody else."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from fedsight.journal.http import HttpSink
from fedsight.journal.sink import DeliveryError
from fedsight.signals import Shipment

COLLECTOR = "fedsight-collector"
STORE_ID = "store-id"
PROBE_SECONDS = 2.0


class ProvenSink:
    """Sends to the collector at `url` once it has shown to be that of the data directory `data`.

    The token goes to nobody else: whoever listens there could keep it. A collector that does not
    answer is asked again with the next shipment. `verify` is whom it trusts over TLS.
    """

    def __init__(
        self, url: str, data: Path, token: str, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._url = url.rstrip("/")
        self._data = data
        self._sink = HttpSink(url, token, verify=verify)
        self._verify = verify
        self._proven = False

    def send(self, shipment: Shipment) -> int:
        """As `Sink.send`."""
        if not self._proven:
            self._prove()
        try:
            return self._sink.send(shipment)
        except DeliveryError:
            self._proven = False
            raise

    def close(self) -> None:
        """Close the connection."""
        self._sink.close()

    def _prove(self) -> None:
        try:
            answer = httpx.get(
                f"{self._url}/health",
                timeout=PROBE_SECONDS,
                trust_env=False,
                verify=self._verify,
            )
            health = answer.json()
            service, store = health["service"], health["store_id"]
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise DeliveryError(f"no collector answers at {self._url}: {said}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DeliveryError(f"{self._url} is not a collector on loopback") from error
        if service != COLLECTOR or store != self._store_id():
            raise DeliveryError(f"{self._url} collects into another data directory")
        self._proven = True

    def _store_id(self) -> str | None:
        try:
            return (self._data / STORE_ID).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
