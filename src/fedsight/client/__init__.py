"""What a collector holds, as frames of pandas or polars: `from fedsight.client import Client`."""

from fedsight.client.asking import ClientError
from fedsight.client.client import Client

__all__ = ["Client", "ClientError"]
