"""The addresses at which the web and Flower will listen."""

import socket
from collections.abc import Iterator

import click
import pytest

from app.cli.local.ports import addresses
from config.settings import Settings
from deploy.embedded.ports import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def settings(port: int, flower_port: int) -> Settings:
    return Settings(
        database_url="postgresql://h/d",
        redis_url="redis://h",
        shared_secret="s" * 32,
        port=port,
        flower_port=flower_port,
    )


def test_loopback_is_the_default() -> None:
    port, flower_port = free_port(), free_port()
    found = addresses({}, settings(port, flower_port))
    assert (found.bind, found.flower_port) == (f"127.0.0.1:{port}", flower_port)
    assert found.web_url == f"http://127.0.0.1:{port}"


def test_bind_wins_over_port() -> None:
    port = free_port()
    found = addresses({"BIND": f"0.0.0.0:{port}"}, settings(free_port(), free_port()))
    assert (found.bind, found.port) == (f"0.0.0.0:{port}", port)


@pytest.mark.parametrize("bind", ["0.0.0.0", "unix:/run/web.sock", "h:0", "h:99999"])
def test_a_bind_without_a_good_port_is_refused_by_its_name(bind: str) -> None:
    with pytest.raises(click.ClickException, match=r"BIND=.*set BIND=host:port"):
        addresses({"BIND": bind}, settings(free_port(), free_port()))


def test_a_taken_port_is_named_with_what_to_write(taken: int) -> None:
    with pytest.raises(click.ClickException, match=rf"^PORT={taken} is in use.*put PORT=\d+"):
        addresses({}, settings(taken, free_port()))


def test_flower_steps_aside_unless_its_port_was_chosen(taken: int) -> None:
    assert addresses({}, settings(free_port(), taken)).flower_port != taken
    with pytest.raises(click.ClickException, match=f"^FLOWER_PORT={taken} is in use"):
        addresses({"FLOWER_PORT": str(taken)}, settings(free_port(), taken))


def test_two_that_start_at_once_do_not_choose_the_same_port() -> None:
    port, flower_port = free_port(), free_port()
    addresses({}, settings(port, flower_port))  # not in use
    assert addresses({}, settings(free_port(), flower_port)).flower_port != flower_port
    with pytest.raises(click.ClickException, match="is in use"):
        addresses({}, settings(port, flower_port))
