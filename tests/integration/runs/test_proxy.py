"""The proxy of the tests with broken connections."""

import socket
from pathlib import Path

from ...chaos.proxy import Proxy

WITHIN_S = 30


def test_a_proxy_refuses_while_its_target_is_down_and_forwards_once_it_is_up(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "socket")
    with Proxy(path) as proxy:
        address = ("127.0.0.1", proxy.port)
        with socket.create_connection(address, WITHIN_S) as refused:
            assert refused.recv(1) == b""
        with socket.socket(socket.AF_UNIX) as target:
            target.settimeout(WITHIN_S)
            target.bind(path)
            target.listen()
            with socket.create_connection(address, WITHIN_S) as served:
                served.sendall(b"x")
                reached, _ = target.accept()
                with reached:
                    assert reached.recv(1) == b"x"
