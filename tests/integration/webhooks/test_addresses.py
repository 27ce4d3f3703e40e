"""Where nothing is sent, and how a proxy is used. Real receivers, and a real proxy."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tasks.webhooks.request import certificates
from tests.tunnel import Tunnels, tunnels
from tests.unit.tasks.llm.wire import CERTIFICATE, Wire, serving

from ..receiver import Receiver, receiving
from .conftest import Allow, MakeWebhook, error_of, make_due, sent, sent_in_haste

REDIRECTS = (301, 302, 303, 307, 308)
PASSWORD = "Basic dXNlcjpwYXNz"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "169.254.169.254"])
def test_a_private_address_gets_nothing(
    make_webhook: MakeWebhook, receiver: Receiver, allow_private: Allow, host: str
) -> None:
    webhook = make_webhook(f"https://{host}:{receiver.port}/hook")
    allow_private(False)
    assert error_of(sent(webhook)) == "private_address"
    assert receiver.requests == []


def test_an_address_that_was_allowed_is_refused_at_the_next_try(
    make_webhook: MakeWebhook, receiver: Receiver, allow_private: Allow
) -> None:
    webhook, receiver.status = make_webhook(receiver.url), 500
    failed = sent(webhook)
    allow_private(False)
    make_due(webhook)
    assert error_of(sent(webhook, failed.event_id)) == "private_address"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("to", ["itself", "a private address", "nowhere"])
def test_a_redirect_is_a_failure_and_leads_nowhere(
    make_webhook: MakeWebhook, receiver: Receiver, status: int, to: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as private:
        private.setblocking(False)
        address = f"http://127.0.0.1:{private.getsockname()[1]}/latest/meta-data"
        location = {"itself": receiver.url, "a private address": address, "nowhere": ""}[to]
        receiver.status, receiver.headers = status, {"Location": location}
        delivery = sent(make_webhook(receiver.url))
        assert (delivery.status, error_of(delivery)) == ("pending", "redirected")
        assert delivery.log[-1]["status_code"] == status
        assert len(receiver.requests) == 1
        with pytest.raises(BlockingIOError):
            private.accept()


def test_a_name_without_an_address_is_a_failure(make_webhook: MakeWebhook) -> None:
    assert error_of(sent(make_webhook("http://no-such-host.invalid/"))) == "unresolvable"


def test_a_server_without_tls_is_a_failure(make_webhook: MakeWebhook) -> None:
    with receiving() as plain:
        assert error_of(sent(make_webhook(f"https://localhost:{plain.port}/"))) == (
            "connection_failed"
        )


# --- through a proxy

Through = Callable[[Wire], Tunnels]


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch, allow_private: Allow) -> Iterator[Through]:
    """`through(wire)`: from now on, webhooks are sent through a proxy that leads to this server,
    whose certificate is trusted, and private addresses are refused."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    certificates.cache_clear()
    with ExitStack() as servers:

        def start(wire: Wire) -> Tunnels:
            servers.enter_context(serving(wire))
            proxy = servers.enter_context(tunnels(("127.0.0.1", int(wire.server_address[1]))))
            monkeypatch.setenv("WEBHOOK_PROXY", proxy.url)
            allow_private(False)
            return proxy

        yield start
    certificates.cache_clear()


def test_a_proxy_resolves_the_name_and_the_receiver_s_certificate_is_verified(
    make_webhook: MakeWebhook, through: Through
) -> None:
    wire = Wire(NO_CONTENT, NO_CONTENT, tls=True)
    proxy = through(wire)
    webhook = make_webhook("https://provider.test/hook?a=b%20c")
    assert sent(webhook).status == "delivered"
    assert proxy.asked == [("provider.test:443", PASSWORD)]
    [said] = wire.requests
    assert said.startswith(b"POST /hook?a=b%20c HTTP/1.1\r\nHost: provider.test\r\n")
    assert PASSWORD.encode() not in said
    assert error_of(sent(make_webhook("https://other.test/hook"))) == "connection_failed"
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "metadata.internal", "[::ffff:10.0.0.1]", "0x7f.1"]
)
def test_a_proxy_is_not_asked_for_what_is_private_by_its_name(
    make_webhook: MakeWebhook, through: Through, host: str
) -> None:
    proxy = through(Wire(NO_CONTENT, tls=True))
    assert error_of(sent(make_webhook(f"https://{host}/hook"))) == "private_address"
    assert proxy.asked == []


def test_what_a_proxy_refuses_is_tried_again(make_webhook: MakeWebhook, through: Through) -> None:
    wire = Wire(NO_CONTENT, tls=True)
    proxy, webhook = through(wire), make_webhook("https://provider.test/hook")
    proxy.status = 407
    refused = sent(webhook)
    assert (refused.status, error_of(refused)) == ("pending", "refused_by_proxy")
    proxy.status = 200
    make_due(webhook)
    assert sent(webhook, refused.event_id).status == "delivered"


def test_a_proxy_that_is_down_or_hangs_is_a_failure(
    make_webhook: MakeWebhook, monkeypatch: pytest.MonkeyPatch, allow_private: Allow
) -> None:
    webhook = make_webhook("https://provider.test/hook")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    monkeypatch.setenv("WEBHOOK_PROXY", address)
    allow_private(False)
    assert error_of(sent(webhook)) == "connection_failed"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert sent_in_haste(webhook, proxy=proxy).error == "timeout"


def test_the_proxy_of_providers_is_not_used(
    make_webhook: MakeWebhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tunnels(("127.0.0.1", receiver.port)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert sent(make_webhook(receiver.url)).status == "delivered"
        assert proxy.asked == []
