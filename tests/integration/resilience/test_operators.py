"""How operators see the fleet's breakers and close them."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.ops.readiness import show_breakers
from deploy.embedded.supervisor import Supervisor
from tasks.resilience.store import KEY, client

from .conftest import Breaker, Process

pytestmark = pytest.mark.usefixtures("environment")

Start = Callable[[int], list[Process]]


def trimind(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["breakers", *arguments])


def test_an_open_breaker_is_listed_with_its_next_probe(processes: Start, breaker: Breaker) -> None:
    breaker.open(processes(1)[0])
    line = next(line for line in trimind().output.splitlines() if line.startswith(breaker.name))
    state = breaker.kept()
    assert state.opens_until is not None
    day, second = f"{state.opens_until:%Y-%m-%d %H:%M:%S}".split()
    assert line.split() == [breaker.name, "open", "3", "1", day, second, "UTC"]


def test_a_breaker_is_reset_by_name_from_the_command_line(
    processes: Start, breaker: Breaker
) -> None:
    breaker.open(processes(1)[0])
    assert trimind("reset", breaker.name).output == "1 reset\n"
    assert breaker.name not in trimind().output


def test_all_breakers_are_reset_at_once(processes: Start, breaker: Breaker) -> None:
    breaker.open(processes(1)[0])
    assert trimind("reset").exit_code == 0
    assert trimind().output == "No breaker has recorded a failed call.\n"


def test_an_unknown_breaker_is_an_error_that_names_the_known_ones(
    processes: Start, breaker: Breaker
) -> None:
    breaker.open(processes(1)[0])
    wrong = trimind("reset", "nobody")
    assert wrong.exit_code == 1
    assert breaker.name in wrong.output


def test_readiness_shows_the_state_of_each_breaker(processes: Start, breaker: Breaker) -> None:
    breaker.open(processes(1)[0])
    assert show_breakers()[breaker.name] == "open"


def test_without_redis_the_command_says_so_and_readiness_shows_none(
    supervisor: Supervisor,
) -> None:
    supervisor.kill("redis")
    away = trimind()
    assert away.exit_code == 1
    assert "REDIS_URL" in away.output
    assert show_breakers() == {}


@pytest.mark.parametrize("rubbish", ["no JSON", b"\xff", "7", "[]", "{}", '{"failed": 3}'])
def test_an_unreadable_breaker_is_skipped_and_replaced(
    processes: Start, breaker: Breaker, rubbish: str | bytes
) -> None:
    other = Breaker(f"{breaker.name}-other")
    other.open(processes(1)[0])
    client().hset(KEY, breaker.name, rubbish)

    listed = {line.split()[0] for line in trimind().output.splitlines()}
    breaker.open(processes(1)[0])

    assert other.name in listed
    assert breaker.name not in listed
    assert breaker.kept().state == "open"
