"""A free loopback port."""

import random
import socket

# Below the kernel's ephemeral ports (32768 and up): an outgoing connection could take one of those
# between this check and the service's bind.
_RANGE = range(20_000, 32_000)
_TRIES = 100
# Whatever seeds `random`, such as a test runner in each of its processes, must not make several of
# them choose the same port before one has bound it.
_RANDOM = random.SystemRandom()


def free_port() -> int:
    """A port of 127.0.0.1 between 20000 and 32000 that can be bound now.

    Raises:
        OSError: a hundred random ports are all in use.
    """
    for port in _RANDOM.sample(_RANGE, _TRIES):
        if _is_free(port):
            return port
    raise OSError(f"no free port among {_TRIES} tried on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
