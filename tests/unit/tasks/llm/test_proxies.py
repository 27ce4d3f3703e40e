"""Proxy variables are honoured or named in one line; loopback has no proxy."""

import pytest
from structlog.testing import capture_logs

from tasks.llm.proxies import Proxies
from tasks.llm.transport import Transport

PROXY = "http://user:pass@proxy.test:3128"


def proxies(**environ: str) -> Proxies:
    return Proxies.of_environment({name.upper(): value for name, value in environ.items()})


@pytest.mark.parametrize(
    "value",
    [PROXY, "proxy.test:3128", "socks5://127.0.0.1:9", "socks5h://proxy.test:9", "https://p.test"],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"])
def test_a_proxy_is_used(name: str, value: str) -> None:
    found = Proxies.of_environment({name: value})

    assert (found.of("https", "api.openai.com") or "").endswith(value)
    Transport(True, {name: value}).close()


@pytest.mark.parametrize(
    "value", ["ftp://proxy.test", "http://", "http://p:port", "socks4://p:1", "http://[::1"]
)
def test_a_proxy_that_cant_be_used_is_named_without_its_value(value: str) -> None:
    with capture_logs() as logs:
        Transport(True, {"ALL_PROXY": value}).close()

    assert [line["log_level"] for line in logs] == ["warning"]
    assert "ALL_PROXY" in logs[0]["event"]
    assert value not in str(logs).replace("http://, https:// or socks5://", "")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]", "a.localhost"]
)
def test_loopback_is_reached_directly(host: str) -> None:
    assert proxies(http_proxy=PROXY, all_proxy=PROXY).of("http", host) is None


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("api.test", "api.test"),
        ("test", "api.test"),
        (".test", "api.test"),
        ("*.test", "api.test"),
        ("API.test:443", "api.TEST"),
        ("https://api.test", "api.test"),
        ("*", "api.test"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("fd07:b51a:cc66:f0::/64", "fd07:b51a:cc66:f0::1"),
        ("[fd07::1]", "fd07::1"),
        ("[fd07::]/16", "[fd07::1]"),
        (" , x.test ,api.test,", "api.test"),
    ],
)
def test_who_is_excepted_is_reached_directly(no_proxy: str, host: str) -> None:
    found = proxies(all_proxy=PROXY, no_proxy=no_proxy)

    assert found.of("https", host) is None
    assert no_proxy == "*" or found.of("https", "api.openai.com") == PROXY


@pytest.mark.parametrize("no_proxy", ["localhost,[::1]", "[", "fd07:zz::/64", "1.2.3.4/99", "::::"])
def test_no_exception_breaks_the_pool(no_proxy: str) -> None:
    Transport(True, {"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}).close()

    assert proxies(all_proxy=PROXY, no_proxy=no_proxy).of("https", "api.test") == PROXY
