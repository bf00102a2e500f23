"""API2:2023: who shows the token is let in, and nobody else; the token is told to nobody."""

from __future__ import annotations

import os
import stat
import time
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from tests.collector.server import JSON, Server
from tests.federated.api.asked import TOKEN, Asked
from tests.security.routes import OF_COLLECTOR, path_of, reads

CHANGE = "/api/v1/login"
WRONG = (
    "",
    "Bearer",
    "Bearer wrong",
    "Basic {token}",
    "{token}",
    "Bearer {token}x",
    "Bearer x{token}",
    "Bearer {half}",
    "Bearer {upper}",
    "Token {token}",
    "Bearer, Bearer {token}",
)


def written(form: str, token: str) -> str:
    return form.format(token=token, half=token[: len(token) // 2], upper=token.swapcase())


def test_the_token_is_long_random_and_the_owners_alone(server: Server, beyond: Server) -> None:
    assert len(server.token) >= 43  # 256 bits in base64
    assert server.token != beyond.token
    mode = stat.S_IMODE(os.stat(server.data / "token").st_mode)
    assert mode == 0o600


@pytest.mark.parametrize("form", WRONG)
def test_what_is_not_the_token_is_refused(server: Server, form: str) -> None:
    headers = {**JSON, "Authorization": written(form, server.token)}
    assert server.http.post(CHANGE, headers=headers).status_code == 401


@pytest.mark.parametrize("form", WRONG)
def test_the_fl_server_refuses_it_too(fl: Asked, form: str) -> None:
    headers = {"Authorization": written(form, TOKEN)}
    assert fl.http.post("/stop", json={}, headers=headers).status_code == 401


def test_who_guesses_is_slowed_and_the_owner_is_not(tmp_path: Path) -> None:
    with Server(tmp_path, refused_burst=3, refused_rate=0.01) as server:
        wrong = {**JSON, "Authorization": "Bearer wrong"}
        codes = [server.http.post(CHANGE, headers=wrong).status_code for _ in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        right = {**JSON, **server.bearer}
        assert server.http.post(CHANGE, headers=right).status_code == 200


def logged_in(server: Server) -> tuple[str, str]:
    """A cookie's value, and the key to write with."""
    page = server.http.post(CHANGE, headers={**JSON, **server.bearer}).json()["address"]
    code = page.rpartition("=")[2]
    answer = server.http.get("/login", params={"code": code})
    server.http.cookies.clear()
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    again = server.http.get("/login", params={"code": code})
    assert again.status_code == 401
    return f"{cookie.key}={cookie.value}", answer.headers["Location"].rpartition("=")[2]


def test_a_login_address_works_once_and_its_cookie_cannot_be_made_up(beyond: Server) -> None:
    cookie, _ = logged_in(beyond)
    name, _, value = cookie.partition("=")
    expires, random, signature = value.split(".")
    later = str(int(time.time()) + 10**9)
    forged = [
        f"{expires}.{random}.{'0' * len(signature)}",
        f"{later}.{random}.{signature}",
        f"{expires}.{'0' * len(random)}.{signature}",
        f"{expires}.{random}",
        "",
        f"{expires}.{random}.",
    ]
    assert beyond.http.get("/health", headers={"Cookie": cookie}).status_code == 200
    for value in forged:
        answer = beyond.http.get("/health", headers={"Cookie": f"{name}={value}"})
        assert answer.status_code == 401, value


def test_one_collectors_login_is_none_at_another(server: Server, beyond: Server) -> None:
    cookie, _ = logged_in(server)
    assert beyond.http.get("/health", headers={"Cookie": cookie}).status_code == 401


def test_wrong_login_codes_are_slowed(tmp_path: Path) -> None:
    with Server(tmp_path, refused_burst=3, refused_rate=0.01) as server:
        codes = [server.http.get("/login", params={"code": "wrong"}).status_code for _ in range(5)]
        assert codes == [401, 401, 401, 429, 429]


def test_the_token_is_told_in_no_answer_and_no_log(tmp_path: Path) -> None:
    with Server(tmp_path, host="0.0.0.0", hosts=["lab.example"]) as server:
        port = server.url.rpartition(":")[2]
        headers = {"Host": "lab.example", **server.bearer}
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False, headers=headers) as client:
            for endpoint in reads(OF_COLLECTOR):
                assert server.token not in client.get(path_of(endpoint)).text, endpoint.path
            wrong = client.get("/health", headers={"Authorization": f"Basic {server.token}"})
            assert wrong.status_code == 401
            assert server.token not in wrong.text
        code, said = server.end()
    assert code == 0
    assert "requests need the token in" in said
    assert server.token not in said
