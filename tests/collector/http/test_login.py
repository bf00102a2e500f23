from fedsight.collector.http.login import (
    CODE_SECONDS,
    CODES,
    COOKIE_SECONDS,
    WRITE_SECONDS,
    LoggedIn,
    Login,
)


def offered(token: str = "t0ken") -> tuple[Login, list[str]]:
    addresses: list[str] = []
    login = Login(token, "s1", "http://x", addresses.append)
    login.offer()
    return login, addresses


def code_of(address: str) -> str:
    return address.removeprefix("http://x/login?code=")


def entered(login: Login, now: float = 1000.0) -> LoggedIn:
    found = login.redeem(login.new_code(now), now)
    assert found is not None
    return found


def test_a_code_is_good_once_and_the_next_is_announced() -> None:
    login, addresses = offered()
    code = code_of(addresses[0])
    assert login.redeem(code, 0.0) is not None
    assert login.redeem(code, 0.0) is None
    assert len(set(addresses)) == 2
    assert login.redeem("", 0.0) is None


def test_before_an_offer_no_code_is_good() -> None:
    assert Login("t0ken", "s1", "http://x", print).redeem("", 0.0) is None


def test_a_code_that_was_asked_for_is_good_once_and_for_some_minutes() -> None:
    login, addresses = offered()
    code = login.new_code(0.0)
    assert login.redeem(code, CODE_SECONDS - 1) is not None
    assert login.redeem(code, CODE_SECONDS - 1) is None
    late = login.new_code(0.0)
    assert login.redeem(late, CODE_SECONDS + 1) is None
    assert len(addresses) == 1


def test_only_some_codes_are_good_at_one_time() -> None:
    login, _ = offered()
    codes = [login.new_code(0.0) for _ in range(CODES + 1)]
    assert login.redeem(codes[0], 1.0) is None
    assert login.redeem(codes[1], 1.0) is not None


def test_a_cookie_ends_with_its_time_and_with_its_token() -> None:
    login, _ = offered()
    cookie = f"other=1; {login.cookie_name}={entered(login).cookie}"
    assert login.knows_cookie(cookie, 1000.0)
    assert not login.knows_cookie(cookie, 1000.0 + COOKIE_SECONDS)
    assert not offered("another")[0].knows_cookie(cookie, 1000.0)


def test_a_cookie_with_another_time_or_name_is_forged() -> None:
    login, _ = offered()
    expires, name, signature = entered(login).cookie.split(".")
    later = f"{int(expires) + 1}.{name}.{signature}"
    assert not login.knows_cookie(f"{login.cookie_name}={later}", 1000.0)
    other = f"{expires}.{name[::-1]}.{signature}"
    assert not login.knows_cookie(f"{login.cookie_name}={other}", 1000.0)
    assert not login.knows_cookie(f"{login.cookie_name}=x", 1000.0)
    assert not login.knows_cookie("\x00;==", 1000.0)


def test_a_page_writes_with_its_own_key_for_a_day() -> None:
    login, _ = offered()
    mine, other = entered(login), entered(login)
    cookie = f"{login.cookie_name}={mine.cookie}"
    assert login.knows_page(cookie, mine.write_key, 1000.0)
    assert login.write_until(cookie, mine.write_key, 1000.0) == 1000 + WRITE_SECONDS
    assert not login.knows_page(cookie, mine.write_key, 1000.0 + WRITE_SECONDS)
    assert not login.knows_page(cookie, other.write_key, 1000.0)
    assert not login.knows_page(cookie, "", 1000.0)
    assert not login.knows_page("", mine.write_key, 1000.0)


def test_the_cookie_does_not_tell_the_key() -> None:
    login, _ = offered()
    mine = entered(login)
    cookie = f"{login.cookie_name}={mine.cookie}"
    for guess in (*mine.cookie.split("."), mine.cookie):
        assert not login.knows_page(cookie, guess, 1000.0)


def test_a_token_needs_its_scheme() -> None:
    login, _ = offered()
    assert login.knows_token("Bearer t0ken")
    assert login.knows_token("bearer  t0ken")
    assert not login.knows_token("t0ken")
    assert not login.knows_token("Basic t0ken")
    assert not login.knows_token("Bearer t\u00f6ken")
