"""Which proxy a call goes through."""

import pytest

from weighbridge.errors import UsageError
from weighbridge.transport.proxy import Proxies, Proxy
from weighbridge.transport.route import parse

ENV = {
    "HTTP_PROXY": "http://h:1",
    "https_proxy": "http://s:2",
    "NO_PROXY": "localhost, .corp.example,10.0.0.0/8,api.x:8443",
}


def through(url: str, env: dict[str, str]) -> str | None:
    proxy = Proxies.from_environment(env).for_origin(parse(url)[0])
    return str(proxy.origin) if proxy else None


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://a.example/", "http://h:1"),
        ("https://a.example/", "http://s:2"),
        ("http://localhost:8080/", None),
        ("https://deep.corp.example/", None),
        ("https://corp.example/", None),
        ("https://notcorp.example/", "http://s:2"),
        ("http://10.1.2.3/", None),
        ("http://11.1.2.3/", "http://h:1"),
        ("https://api.x:8443/", None),
        ("https://api.x/", "http://s:2"),
    ],
)
def test_the_environment_is_read_as_curl_reads_it(url: str, proxy: str | None) -> None:
    assert through(url, ENV) == proxy


def test_all_proxy_is_for_what_has_none_of_its_own_and_a_star_is_for_nothing() -> None:
    assert through("https://a/", {"ALL_PROXY": "http://all:3"}) == "http://all:3"
    assert through("https://a/", {"ALL_PROXY": "http://all:3", "NO_PROXY": "*"}) is None


def test_http_proxy_in_capitals_is_not_believed_under_cgi() -> None:
    """httpoxy: a request's `Proxy:` header would set it."""
    assert through("http://a/", {"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}) is None


def test_a_proxys_password_is_not_shown() -> None:
    assert "secret" not in repr(Proxy.at("http://user:secret@p:1"))
    with pytest.raises(UsageError) as caught:
        Proxy.at("socks5://user:secret@p:1")
    assert "secret" not in str(caught.value)
