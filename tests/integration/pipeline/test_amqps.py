"""RabbitMQ over TLS: whose certificate is accepted."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from kombu.connection import Connection

from config.celery_broker import celery_url, tls_options

from ..certificates import certify

BEGIN_OF_AMQP = b"AMQP\x00\x00\x09\x01"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a certificate for 127.0.0.1."""
    certify(tmp_path)
    return tmp_path


class Listener:
    """A server that closes each connection after the first words."""

    def __init__(self, folder: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[bytes] = []

    def run(self) -> None:
        """Serve until `close`."""
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                # A client that does not accept the certificate ends the handshake.
                with suppress(OSError), self._context.wrap_socket(client, server_side=True) as tls:
                    self.heard.append(tls.recv(len(BEGIN_OF_AMQP)))

    def close(self) -> None:
        """Refuse connections from now on."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listener(folder: Path) -> Iterator[Listener]:
    listener = Listener(folder)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(listener.run)
        yield listener
        listener.close()


def failure(listener: Listener, host: str) -> OSError:
    """Why a connection to the listener at this host ended."""
    url = f"amqps://guest:guest@{host}:{listener.port}//"
    with Connection(celery_url(url), ssl=tls_options(url), connect_timeout=10) as connection:
        try:
            connection.connect()
        except OSError as error:
            return error
    pytest.fail("It did not end.")


@pytest.fixture
def trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority of the certificate is one of the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_the_host_is_accepted(listener: Listener) -> None:
    assert not isinstance(failure(listener, "127.0.0.1"), ssl.SSLCertVerificationError)
    assert {*listener.heard} == {BEGIN_OF_AMQP}


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_refused(listener: Listener) -> None:
    error = failure(listener, "localhost")
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "not valid for 'localhost'" in str(error)
    assert listener.heard == []


def test_a_certificate_of_an_unknown_authority_is_refused(listener: Listener) -> None:
    assert isinstance(failure(listener, "127.0.0.1"), ssl.SSLCertVerificationError)
    assert listener.heard == []
