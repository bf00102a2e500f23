"""Who asks: tokens, the names behind them and their roles. What a role may, Cedar decides.

The file holds the SHA-256 of tokens, not tokens. It is read again when it changes, so that a token
that was taken out of it opens nothing any more.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from fedsight.errors import SettingsError
from fedsight.policy.request import Party, Ref

Role = Literal["viewer", "operator", "auditor", "admin"]
_MOST_BYTES = 2**20
_TICK_NS = 100_000_000
HOW = (
    "this needs the header 'Authorization: Bearer TOKEN' with the token of the data directory (its"
    " file `token`) or one that the file of tokens names"
)


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One token: whose, with which roles, until when."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    roles: Annotated[list[Role], Meta(max_length=4)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    expires: datetime | None = None

    def party(self) -> Party:
        """The operator."""
        return operator(self.name, self.roles)

    def holds(self, now: float) -> bool:
        """Whether it has not expired at `now` (Unix seconds)."""
        if self.expires is None:
            return True
        ends = self.expires if self.expires.tzinfo else self.expires.replace(tzinfo=UTC)
        return now < ends.timestamp()


class _File(Struct, forbid_unknown_fields=True):
    token: Annotated[list[Entry], Meta(max_length=10_000)] = msgspec.field(default_factory=list)


def operator(name: str, roles: tuple[str, ...] | list[Role]) -> Party:
    """An operator with these roles."""
    return Party("Operator", name, groups=tuple(Ref("Role", role) for role in roles))


def digest(token: str) -> str:
    """What the file has instead of the token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """The token of the data directory, an administrator's, and those of the file.

    A file that cannot be read or is wrong opens nothing: `fault()` says why. Raises SettingsError
    where it is so at the start. `own_file` holds the token of the data directory, which may be
    another one while the service runs.
    """

    how = HOW

    def __init__(
        self,
        own: str,
        file: Path,
        now: Callable[[], float] = time.time,
        *,
        own_file: Path | None = None,
    ) -> None:
        self._own = operator("data directory", ("admin",))
        self._own_digest: str | None = digest(own)
        self._own_file = None if own_file is None else Watched(own_file)
        self._file = Watched(file)
        self._now = now
        self._lock = threading.Lock()
        self._entries: Mapping[str, Entry] = {}
        self._fault: str | None = None
        fault = self.fault()
        if fault is not None:
            raise SettingsError(fault)

    def fault(self) -> str | None:
        """Why the file as it is now opens nothing, None where nothing is wrong with it."""
        self._look()
        return self._fault

    def who(self, authorization: str) -> Party | None:
        """Whose token an Authorization header shows; None for nobody's."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        shown = digest(token.strip())
        self._look()
        if self._own_digest is not None and hmac.compare_digest(shown, self._own_digest):
            return self._own
        found = self._entries.get(shown)
        return found.party() if found is not None and found.holds(self._now()) else None

    def knows_token(self, authorization: str) -> bool:
        """Whether an Authorization header shows a token that counts."""
        return self.who(authorization) is not None

    def knows_cookie(self, cookies: str, now: float) -> bool:
        """Never."""
        return False

    def knows_page(self, cookies: str, key: str, now: float) -> bool:
        """Never."""
        return False

    def _look(self) -> None:
        with self._lock:
            if self._own_file is not None and self._own_file.changed():
                self._own_digest = _own(self._own_file.path)
            if not self._file.changed():
                return
            self._entries, self._fault = {}, None
            try:
                if self._file.there:
                    self._entries = _read(self._file.path)
            except (OSError, ValueError) as error:
                self._fault = f"the file of tokens {self._file.path} is not taken: {error}"


class Watched:
    """A file that is read again when it changes.

    Two changes within a tick of the file system's clock look alike: one that is younger than that
    counts as changed each time it is asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.there = False
        self._seen: object = ()

    def changed(self) -> bool:
        """Whether it may be another one than when this was asked last."""
        try:
            stat = self.path.stat()
        except OSError:
            seen: object = None
            settled = True
        else:
            seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            settled = time.time_ns() - stat.st_mtime_ns > _TICK_NS
        self.there = seen is not None
        if seen == self._seen:
            return False
        self._seen = seen if settled else ()
        return True


def _own(file: Path) -> str | None:
    """The digest of the data directory's token, None where there is none to be had."""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return digest(token) if token else None


def _read(file: Path) -> Mapping[str, Entry]:
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
    found = msgspec.convert(tomllib.loads(content.decode()), _File)
    return {one.sha256: one for one in found.token}
