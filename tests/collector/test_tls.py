"""A collector that speaks TLS, and those of ours who speak to it."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from fedsight.config.trust import Trust
from fedsight.door.tls import Tls
from fedsight.errors import SettingsError, UsageError
from fedsight.journal import DeliveryError
from fedsight.journal.http import HttpSink
from tests.collector.server import JSON, Server, refused
from tests.collector.shipments import shipment, started
from tests.federated.link.certificates import certificate


def served(folder: Path, tls: Tls, **options: object) -> Server:
    files = {"certificate": str(tls.certificate), "key": str(tls.key)}
    return Server(folder, tls=files, **options)


def client(running: Server, tls: Tls) -> httpx.Client:
    verify = Trust(certificate=tls.certificate).verify()
    return httpx.Client(base_url=running.url, verify=verify, trust_env=False)


def test_a_run_reaches_it_by_its_certificate_or_its_authority(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with served(tmp_path / "data", tls) as running:
        assert running.url.startswith("https://127.0.0.1:")
        for trust in (Trust(certificate=tls.certificate), Trust(authority=tls.certificate)):
            with HttpSink(running.url, running.token, verify=trust.verify()) as sink:
                assert sink.send(shipment("j", [started("r-1", [])])) == 2
        with client(running, tls) as browser:
            assert browser.get("/health").json()["status"] == "healthy"


def test_who_does_not_trust_it_sends_it_nothing(tmp_path: Path) -> None:
    ours, other = certificate(tmp_path), certificate(tmp_path, "other")
    with served(tmp_path / "data", ours) as running:
        for trust in (Trust(), Trust(certificate=other.certificate), Trust(other.certificate)):
            with (
                HttpSink(running.url, running.token, verify=trust.verify()) as sink,
                pytest.raises(DeliveryError, match="certificate"),
            ):
                sink.send(shipment("j", [started("r-1", [])]))
        plain = running.url.replace("https", "http")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{plain}/health", trust_env=False)


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with served(tmp_path / "data", tls) as running:
        port = int(running.url.rpartition(":")[2])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            context.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="deprecated"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(plain)


def test_a_login_over_tls_gives_a_secure_cookie(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with served(tmp_path / "data", tls) as running, client(running, tls) as browser:
        page = browser.post("/api/v1/login", headers={**running.bearer, **JSON})
        address = page.json()["address"]
        assert address.startswith(running.url)
        cookie = browser.get(address).headers["Set-Cookie"]
        assert "Secure" in cookie
        assert "HttpOnly" in cookie


def test_what_is_wrong_with_the_files_is_one_sentence(tmp_path: Path) -> None:
    one, two = certificate(tmp_path, "one"), certificate(tmp_path, "two")
    missing = {"certificate": str(tmp_path / "none.pem"), "key": str(one.key)}
    assert refused(tmp_path / "data", tls=missing) == (
        f"cannot read {tmp_path}/none.pem: No such file or directory"
    )
    mixed = {"certificate": str(one.certificate), "key": str(two.key)}
    assert "are not a certificate and its key: KEY_VALUES_MISMATCH" in refused(
        tmp_path / "data", tls=mixed
    )


def test_an_encrypted_key_is_not_asked_for(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    locked = tmp_path / "locked.key"
    command = ["openssl", "ec", "-aes256", "-passout", "pass:word", "-in", tls.key, "-out", locked]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(UsageError, match="is encrypted"):
        Tls(tls.certificate, locked).check()


def test_both_files_or_neither(tmp_path: Path) -> None:
    assert Tls.of(None, None) is None
    for pair in ((tmp_path, None), (None, tmp_path)):
        with pytest.raises(UsageError, match="go together"):
            Tls.of(*pair)


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.pem"
    with pytest.raises(SettingsError, match=r"cannot read collector\.tls_ca"):
        Trust(authority=file).verify()
    file.write_text("nothing")
    with pytest.raises(SettingsError, match="no certificate in PEM"):
        Trust(certificate=file).verify()


def test_only_the_first_certificate_of_the_file_is_taken(tmp_path: Path) -> None:
    ours, other = certificate(tmp_path), certificate(tmp_path, "other")
    chain = tmp_path / "chain.pem"
    chain.write_text(ours.certificate.read_text() + other.certificate.read_text())
    context = Trust(certificate=chain).verify()
    assert isinstance(context, ssl.SSLContext)
    assert len(context.get_ca_certs()) == 1
