"""Who decides on a run: a policy set in this process, or a policy service."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from fedsight.cli.policy_options import there
from fedsight.config import Settings
from fedsight.config.trust import Trust
from fedsight.door.hosts import is_loopback
from fedsight.door.token import token_of
from fedsight.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from fedsight.federated.deciding import Decider
    from fedsight.federated.node.governed import GovernedMod
    from fedsight.federated.runs.telling import Recorder
    from fedsight.policy.remote import RemoteOverseer

Policy = Annotated[
    str | None,
    typer.Option("--policy", help="Govern runs by this set, or service.", metavar="DIR|URL"),
]
Observe = Annotated[bool, typer.Option("--observe", help="Only say what the policy would refuse.")]


def ruled(policy: str | None, observe: bool) -> Ruling | None:
    """Who decides, None where nobody is named. Raises UsageError."""
    if policy is not None:
        return Ruling(policy, observe)
    if observe:
        raise UsageError("--observe says how a policy counts: it needs --policy DIR")
    return None


@dataclass(frozen=True)
class Ruling:
    """A folder with a policy set, or a service's address. Raises UsageError where an address has
    no host, would carry a token in the clear, or is to observe only."""

    where: str
    observe: bool

    def __post_init__(self) -> None:
        if not self.remote:
            return
        parts = urlsplit(self.where)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"--policy is a folder, or http://HOST:PORT, got {self.where!r}")
        if parts.scheme == "http" and not is_loopback(host):
            raise UsageError(f"--policy {self.where} would send a token in the clear: use https")
        if self.observe:
            raise UsageError("a policy service observes by itself: fedsight serve policy --observe")

    @property
    def remote(self) -> bool:
        """Whether a service decides."""
        return "://" in self.where

    def flags(self) -> str:
        """The flags that say so, for a command line anywhere on this machine."""
        where = self.where if self.remote else str(Path(self.where).absolute())
        return f"--policy {shlex.quote(where)}{' --observe' if self.observe else ''}"

    def warnings(self) -> tuple[str, ...]:
        """What must not go unseen. Raises PolicyError where a folder's set is wrong, UsageError
        where there is no such folder."""
        if self.remote:
            return ()
        from fedsight.policy import files

        there(Path(self.where))
        observed = ("the policy is only observed: nobody is refused",) if self.observe else ()
        return (*files.read(Path(self.where)).warnings, *observed)

    def governing(self, settings: Settings, journal: Recorder) -> AbstractContextManager[Any]:
        """What makes a run's governance."""
        from fedsight.federated import governing

        if not self.remote:
            rules = Path(self.where)
            return governing.governing(rules, settings.data, journal, observe=self.observe)
        return governing.asking(self._service(settings), settings.data, journal)

    def decider(self, settings: Settings) -> Decider:
        """Who decides outside runs: on a promotion, and before a run is started."""
        from fedsight.federated.deciding import ByService, BySet

        if not self.remote:
            return BySet(Path(self.where), settings.data, self.observe)
        return ByService(lambda: self._service(settings))

    def _service(self, settings: Settings) -> RemoteOverseer:
        from fedsight.policy.remote import RemoteOverseer

        verify = Trust(certificate=settings.policy.tls_cert).verify()
        return RemoteOverseer(self.where, self._token(settings), verify=verify)

    def mod(self, settings: Settings, name: str, superlink: str) -> AbstractContextManager[Any]:
        """What lets the node `name` obey it: a Flower client mod. Its audit trail is in its own
        folder of the data directory. Raises PolicyError, AuditError or UsageError on entering."""
        from fedsight.federated.node.governed import GovernedMod, OwnRules

        if not self.remote:
            there(Path(self.where))
            folder = settings.data / "nodes" / f"{name}.policy"
            own = OwnRules(Path(self.where), folder, self.observe)
            return _held(own, GovernedMod(own, superlink=superlink), own.open)
        service = self._service(settings)
        return _held(service, GovernedMod(service, superlink=superlink, remote=True))

    def _token(self, settings: Settings) -> str:
        """What the service is shown: the file that is named; here, else the data directory's."""
        file = settings.policy.token_file
        if file is None:
            if not is_loopback(urlsplit(self.where).hostname or ""):
                raise UsageError("a policy service elsewhere needs its token: policy.token_file")
            return token_of(settings.data)
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"policy.token_file {file} cannot be read: {error}") from error
        if not token or any(not "!" <= one <= "~" for one in token):
            raise SettingsError(f"policy.token_file {file} must hold one token, on one line")
        return token


@contextmanager
def _held(
    decides: Any, mod: GovernedMod, begin: Callable[[], object] = lambda: None
) -> Iterator[GovernedMod]:
    """The mod, for as long as whoever decides is there."""
    with closing(decides):
        begin()
        yield mod
