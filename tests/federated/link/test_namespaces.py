"""A federation over several hosts, as docs/federation.md makes it: each a network namespace.

The SuperLink is in one, nodes in two others; TLS, and only registered keys. Needs root and `ip`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command import FEDSIGHT, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HUB, SITES = "hub", ("a", "b")
PORT = "8000"
HERE = f"127.0.0.1:{PORT}"
AT = {site: f"10.77.{number}.1:{PORT}" for number, site in enumerate(SITES)}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=20)


class Hosts:
    """Namespaces called hub, a and b, with a cable from the hub to each other one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"fs{os.getpid()}"

    def make(self) -> None:
        for host in (HUB, *SITES):
            ip("netns", "add", self._name(host))
            self._in(host, "link", "set", "lo", "up")
        for number, site in enumerate(SITES):
            near, far = f"{self._prefix}n{number}", f"{self._prefix}f{number}"
            ip("link", "add", near, "type", "veth", "peer", "name", far)
            for host, end, last in ((HUB, near, 1), (site, far, 2)):
                ip("link", "set", end, "netns", self._name(host))
                self._in(host, "addr", "add", f"10.77.{number}.{last}/24", "dev", end)
                self._in(host, "link", "set", end, "up")

    def remove(self) -> None:
        """Take down what was made, whatever of it is there; the cables go with their ends."""
        for host in (HUB, *SITES):
            subprocess.run(["ip", "netns", "delete", self._name(host)], capture_output=True)

    def fedsight(self, host: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on a host, run to its end."""
        with self.started(host, *words) as process:
            try:
                out, said = process.communicate(timeout=100)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(words, process.returncode, out, said)

    def started(self, host: str, *words: str) -> subprocess.Popen[str]:
        """A command on a host, in a data directory of the host's own."""
        data = self._folder / host
        data.mkdir(exist_ok=True)
        return subprocess.Popen(
            ["ip", "netns", "exec", self._name(host), *FEDSIGHT, *words],
            cwd=self._folder,
            env=environment(data, PYTHONUNBUFFERED="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def service(self, stack: ExitStack, host: str, name: str, *words: str) -> Path:
        """A command that stays until the end of the stack; where its log is."""
        data, log = self._folder / host, self._folder / f"{name}.log"
        data.mkdir(exist_ok=True)
        with log.open("w") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self._name(host), *FEDSIGHT, *words],
                cwd=self._folder,
                env=environment(data, PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        stack.callback(_end, process)
        return log

    def _name(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def _in(self, host: str, *words: str) -> None:
        ip("-n", self._name(host), *words)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def says(log: Path, text: str, within: float = 60.0) -> str:
    """The first line of a log that holds `text`."""
    deadline = time.monotonic() + within
    while True:
        found = [line for line in log.read_text().splitlines() if text in line]
        if found:
            return found[0]
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.fail("network namespaces need root and the command ip (Debian: iproute2)")
    made = Hosts(tmp_path)
    try:
        made.make()
        yield made
    finally:
        made.remove()


def certificates(folder: Path) -> Path:
    """The commands of docs/federation.md: an authority, and the SuperLink's certificate."""
    commands = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=federation",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=superlink",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -days 2 -out server.pem -extfile names",
    ]
    names = ",".join(["IP:127.0.0.1", *(f"IP:{at.split(':')[0]}" for at in AT.values())])
    (folder / "names").write_text(f"subjectAltName={names}\n")
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder / "ca.crt"


def test_a_federation_over_hosts_with_tls_and_keys(hosts: Hosts, tmp_path: Path) -> None:
    ca = str(certificates(tmp_path))
    trusted = ("--root-cert", ca)
    tls = ("--tls-cert", "server.pem", "--tls-key", "server.key", "--node-auth")
    with ExitStack() as stack:
        link = hosts.service(
            stack, HUB, "superlink", "serve", "superlink", "--host", "0.0.0.0", *tls
        )
        says(link, "listening on https://")
        logs = []
        for part, site in enumerate(SITES):
            assert hosts.fedsight(site, "keys", "new", str(tmp_path / site / "key")).returncode == 0
            public = str(tmp_path / site / "key.pub")
            at_hub = ("--superlink", HERE, *trusted)
            added = hosts.fedsight(HUB, "node", "register", public, "--name", site, *at_hub)
            assert added.returncode == 0, added.stderr
            words = ("--superlink", AT[site], *trusted, "--key", str(tmp_path / site / "key"))
            more = ("--name", site, "--partition", str(part), "--of", "2")
            logs.append(hosts.service(stack, site, f"node-{site}", "node", *words, *more))
        for log in logs:
            says(log, "online as node")
        untrusted_get_nothing(hosts, link, ca, tmp_path)
        plan = ("--task", "digits", "--nodes", "2", "--rounds", "2", "--epochs", "1")
        end = ("--port", "0", "--exit", "--json")
        done = hosts.fedsight(HUB, "run", "--superlink", HERE, *trusted, *plan, *end)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rounds"] == 2
        assert "2/2" in done.stderr
        gone = hosts.fedsight(HUB, "node", "revoke", "b", *at_hub)
        assert gone.returncode == 0, gone.stderr
        says(logs[1], "does not know the key")
        listed = hosts.fedsight(HUB, "node", "list", "--json", *at_hub)
        assert [one["name"] for one in json.loads(listed.stdout)] == ["a"]


def untrusted_get_nothing(hosts: Hosts, link: Path, ca: str, folder: Path) -> None:
    """A key that nobody registered, a certificate that nobody vouched for, a stranger's command."""
    at = ("--superlink", AT["b"])
    stranger = str(folder / "b" / "stranger")
    made = hosts.fedsight("b", "keys", "new", stranger)
    name = next(line.split()[1] for line in made.stdout.splitlines() if "fingerprint" in line)
    node = ("node", *at, "--name", "stranger", "--key", stranger)
    unknown = hosts.fedsight("b", *node, "--root-cert", ca)
    assert unknown.returncode == 1
    assert f"does not know the key {name}" in unknown.stderr.splitlines()[-1]
    says(link, f"key {name}")
    unvouched = hosts.fedsight("b", *node)
    assert unvouched.returncode == 1
    assert "is not to be trusted" in unvouched.stderr.splitlines()[-1]
    listed = hosts.fedsight("b", "node", "list", *at, "--root-cert", ca)
    assert listed.returncode == 1
    assert "--token-file" in listed.stderr
