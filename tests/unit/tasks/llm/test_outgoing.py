"""A head is written only if a server can read it as it is meant."""

import httpx
import pytest

from tasks.llm.outgoing import Head

URL = httpx.URL("http://api.test/v1")


@pytest.mark.parametrize(
    "value", ["a\nb", "a\r\nX-B: b", "a\0", " a", "a ", "\ta", "\x7f"], ids=repr
)
def test_a_value_that_would_break_the_head_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(httpx.LocalProtocolError) as caught:
        Head.of(URL, httpx.Headers({"Authorization": f"{value}secret{value}"}))

    assert "Authorization" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\n"], ids=repr)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        Head.of(URL, httpx.Headers({name: "a"}))


@pytest.mark.parametrize("value", [b"", b"a", b"a b\tc", "caf\u00e9".encode(), b'"{}"'], ids=repr)
def test_a_value_is_sent_as_it_is(value: bytes) -> None:
    head = Head.of(URL, httpx.Headers([(b"X-A", value)]))

    assert head.data == b"POST /v1 HTTP/1.1\r\nHost: api.test\r\nX-A: " + value
