"""What a person is told who connects to something else than a SuperLink that takes runs."""

from __future__ import annotations

import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import StartRunRequest, StartRunResponse
from flwr.proto.runtime_pb2 import AcquireTaskRequest, AcquireTaskResponse
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

from fedsight.door.serving import listening
from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link import fab, submission
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Caller, Place, refused
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions, Tls
from fedsight.federated.link.wire import RejectedError, UntrustedError, Wire
from tests.federated.link.certificates import certificate
from tests.federated.link.fleet import introducing, nodes


def refusal(place: Place) -> str:
    with pytest.raises(FedsightError) as caught:
        LinkGrid(place, {})
    return str(caught.value)


def test_nothing_listens_there() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    assert refusal(Place(Address("127.0.0.1", port))) == (
        f"nothing listens at 127.0.0.1:{port}; start a SuperLink there with:"
        " fedsight serve superlink"
    )


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A web server that answers everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<html>welcome</html>"
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("status", [200, 404, 405])
def test_it_is_no_superlink(status: int) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        server.status = status  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = Address("127.0.0.1", server.server_port)
        said = refusal(Place(address))
        server.shutdown()
    assert said.startswith(f"{address} answers, but not as a Flower SuperLink")


def own_address() -> str | None:
    """An address of this machine that is not loopback; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return None
        return str(probe.getsockname()[0])


def test_a_run_from_elsewhere_needs_the_token() -> None:
    host = own_address()
    if host is None:
        pytest.skip("this machine has no address but loopback")
    link = SuperLink(SuperLinkOptions(host, 0, token="a-token"))
    address = link.start()
    try:
        assert "give the token of its data directory with --token-file" in refusal(Place(address))
        assert "--token-file" in refusal(Place(address, token="another"))
        with LinkGrid(Place(address, token="a-token"), {}) as grid:
            assert grid.get_node_ids() == []
            assert grid.nodes() == []
    finally:
        link.stop()


def test_another_version_of_flower_is_named(superlink: SuperLink) -> None:
    headers = dict(RuntimeVersionMetadata.from_local_component("flwr-serverapp").as_metadata())
    headers["flwr-package-version"] = "1.20.0"
    with closing(Wire(superlink.address, None)) as wire, pytest.raises(RejectedError) as caught:
        wire.post("/v1/runtime/get-nodes", b"", lambda: headers)
    said = str(refused(caught.value, superlink.address))
    assert said.startswith(f"the SuperLink at {superlink.address} is of another Flower: ")
    assert "1.20.0" in said


def test_the_place_must_be_an_address() -> None:
    for text in ("", "http://host:1", "host:port", "host:1/path", "host:99999"):
        with pytest.raises(UsageError, match="superlink must be HOST:PORT, got"):
            Address.of(text)
    assert Address.of("host") == Address("host", 8000)
    assert str(Address.of("[::1]:9")) == "[::1]:9"


def test_the_port_is_taken() -> None:
    with (
        listening("127.0.0.1", 0) as taken,
        pytest.raises(FedsightError, match="in use by another program; choose another with"),
    ):
        SuperLink(SuperLinkOptions(port=taken.getsockname()[1]))


def test_the_database_must_have_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="database must be a file in a directory that is there"):
        SuperLink(SuperLinkOptions(port=0, database=tmp_path / "no" / "state.db"))


def test_node_authentication_beyond_this_machine_needs_tls() -> None:
    with pytest.raises(UsageError, match=r"node authentication at 0\.0\.0\.0 needs TLS"):
        SuperLink(SuperLinkOptions("0.0.0.0", port=0, node_auth=True))


@contextmanager
def secured(tls: Tls) -> Iterator[SuperLink]:
    link = SuperLink(SuperLinkOptions(port=0, tls=tls))
    link.start()
    try:
        yield link
    finally:
        link.stop()


def test_a_model_goes_through_tls(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with secured(tls) as link:
        assert link.url.startswith("https://")
        place = Place(link.address, insecure=False, root_cert=tls.certificate)
        root = tls.certificate.read_bytes()
        with (
            nodes(str(link.address), introducing("a", 0), root=root) as (node,),
            LinkGrid(place, {}) as grid,
        ):
            content = RecordDict({"config": ConfigRecord({"word": "secret"})})
            message = Message(content, node.node_id, "train")
            (answer,) = grid.send_and_receive([message], timeout=20)
            assert answer.content["config"]["word"] == "secret"


def test_a_stranger_s_certificate_is_not_trusted(tmp_path: Path) -> None:
    other = certificate(tmp_path, "other")
    with (
        secured(certificate(tmp_path)) as link,
        pytest.raises(UntrustedError, match="is not to be trusted"),
    ):
        LinkGrid(Place(link.address, insecure=False, root_cert=other.certificate), {})


def test_plaintext_to_a_superlink_with_tls(tmp_path: Path) -> None:
    with secured(certificate(tmp_path)) as link:
        said = refusal(Place(link.address))
    assert "name the authority of its certificate with --root-cert" in said


def test_tls_to_a_superlink_without(superlink: SuperLink, tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    place = Place(superlink.address, insecure=False, root_cert=tls.certificate)
    with pytest.raises(UntrustedError, match="does not speak TLS"):
        LinkGrid(place, {})


def test_files_that_are_no_certificate_and_key(tmp_path: Path) -> None:
    one, two = certificate(tmp_path, "one"), certificate(tmp_path, "two")
    with pytest.raises(UsageError, match="are not a certificate and its key"):
        SuperLink(SuperLinkOptions(port=0, tls=Tls(one.certificate, two.key)))
    with pytest.raises(UsageError, match=r"cannot read .*no\.pem"):
        SuperLink(SuperLinkOptions(port=0, tls=Tls(tmp_path / "no.pem", two.key)))


@contextmanager
def stock_superlink(isolation: str, folder: Path) -> Iterator[Address]:
    """Flower's own `flower-superlink` in a process."""
    with listening("127.0.0.1", 0) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    command = shutil.which("flower-superlink", path=str(Path(sys.executable).parent))
    assert command is not None
    flags = ["--insecure", "--host", address.host, "--port", str(address.port)]
    with (folder / "superlink.log").open("wb") as log:
        process = subprocess.Popen(
            [
                command,
                *flags,
                "--isolation",
                isolation,
                "--disable-runtime-dependency-installation",
            ],
            stdout=log,
            stderr=log,
            env={
                "PATH": str(Path(sys.executable).parent),
                "FLWR_HOME": str(folder),
                "FLWR_TELEMETRY_ENABLED": "0",
                "FLWR_DISABLE_UPDATE_CHECK": "1",
            },
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(20)


def connected(address: Address, within: float = 60.0) -> LinkGrid:
    """A grid, once somebody listens there."""
    deadline = time.monotonic() + within
    while True:
        try:
            return LinkGrid(Place(address), {})
        except FedsightError as error:
            if "nothing listens" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


@pytest.mark.slow
def test_flower_s_own_superlink_serves_as_well(tmp_path: Path) -> None:
    with (
        stock_superlink("process", tmp_path) as address,
        connected(address) as grid,
        nodes(str(address), introducing("a", 0)) as (node,),
    ):
        message = Message(RecordDict({"config": ConfigRecord({"n": 1})}), node.node_id, "train")
        (answer,) = grid.send_and_receive([message], timeout=30)
        assert answer.content["config"]["n"] == 1
        (view,) = grid.nodes()
        assert (view.name, view.online, view.last_seen_seconds) == ("a", True, None)
        assert grid.turn(answer.metadata.reply_to_message_id) is None


@pytest.mark.slow
def test_one_that_runs_serverapps_itself_leaves_us_ours(tmp_path: Path) -> None:
    with stock_superlink("subprocess", tmp_path) as address:
        for _ in range(3):
            with connected(address) as grid:
                assert grid.get_node_ids() == []
            time.sleep(0.7)


def test_a_run_whose_task_somebody_else_has_is_not_ours(superlink: SuperLink) -> None:
    caller = Caller(Place(superlink.address), wait_seconds=5)
    made = fab.bundle({}, "a nonce")
    start = StartRunRequest(fab=fab_to_proto(Fab(made.digest, made.content, {})))
    run_id = caller.once("/v1/control/start-run", start, StartRunResponse).run_id
    somebody = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
    taken = caller.once("/v1/runtime/acquire-task", somebody, AcquireTaskResponse)
    assert taken.task.run_id == run_id
    assert submission._claimed(caller, made.digest, run_id) is None
    caller.close()
