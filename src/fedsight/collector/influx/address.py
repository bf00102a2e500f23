"""Where an InfluxDB is and who we are there."""

from __future__ import annotations

from dataclasses import dataclass, field

#: The one measurement: its tags are labels, its fields are metrics and `round`.
MEASUREMENT = "samples"


@dataclass(frozen=True)
class InfluxAddress:
    """An InfluxDB server and a database there. The password shows in no representation.

    `retention` names a retention policy of that database; empty for its default one.
    """

    host: str = "localhost"
    port: int = 8086
    database: str = "fedsight"
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    retention: str = ""

    def __str__(self) -> str:
        return f"InfluxDB at {self.host}:{self.port}"
