from fedsight.collector.http.login import COOKIE_SECONDS, Login


def offered(token: str = "t0ken") -> tuple[Login, list[str]]:
    codes: list[str] = []
    login = Login(token, "s1", codes.append)
    login.offer()
    return login, codes


def test_a_code_is_good_once_and_the_next_is_announced() -> None:
    login, codes = offered()
    assert login.redeem(codes[0], 0.0) is not None
    assert login.redeem(codes[0], 0.0) is None
    assert len(set(codes)) == 2
    assert login.redeem("", 0.0) is None


def test_before_an_offer_no_code_is_good() -> None:
    assert Login("t0ken", "s1", print).redeem("", 0.0) is None


def test_a_cookie_ends_with_its_time_and_with_its_token() -> None:
    login, codes = offered()
    cookie = f"other=1; {login.cookie_name}={login.redeem(codes[0], 1000.0)}"
    assert login.knows_cookie(cookie, 1000.0)
    assert not login.knows_cookie(cookie, 1000.0 + COOKIE_SECONDS)
    assert not offered("another")[0].knows_cookie(cookie, 1000.0)


def test_a_cookie_with_another_time_is_forged() -> None:
    login, codes = offered()
    value = login.redeem(codes[0], 1000.0) or ""
    later = f"{int(value.partition('.')[0]) + 1}.{value.partition('.')[2]}"
    assert not login.knows_cookie(f"{login.cookie_name}={later}", 1000.0)
    assert not login.knows_cookie(f"{login.cookie_name}=x", 1000.0)
    assert not login.knows_cookie("\x00;==", 1000.0)


def test_a_token_needs_its_scheme() -> None:
    login, _ = offered()
    assert login.knows_token("Bearer t0ken")
    assert login.knows_token("bearer  t0ken")
    assert not login.knows_token("t0ken")
    assert not login.knows_token("Basic t0ken")
    assert not login.knows_token("Bearer t\u00f6ken")
