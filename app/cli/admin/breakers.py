"""`trimind breakers`: the fleet's circuit breakers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from redis import RedisError

from app.cli.local.running import join_installation_or_fail
from app.cli.output import as_json_option, print_result
from tasks.resilience.breaker import reset as close
from tasks.resilience.states import BreakerState, breaker_states


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def breakers(ctx: click.Context, as_json: bool) -> None:
    """Show the circuit breakers that the fleet shares, or reset them.

    A breaker is listed after its first failed call. The database's is not listed: each process
    has its own.
    """
    if ctx.invoked_subcommand is None:
        states = _states()
        print_result(as_json, [asdict(each) for each in states], "\n".join(_lines(states)))


@breakers.command()
@click.argument("name", required=False)
@as_json_option
def reset(name: str | None, as_json: bool) -> None:
    """Close a breaker, or all of them. Takes effect in every process within a second."""
    known = [state.name for state in _states()]
    if name is not None and name not in known:
        raise click.ClickException(f"there is no breaker {name}; known: {', '.join(known) or '-'}")
    with _redis_or_fail():
        count = close(name)
    print_result(as_json, {"reset": count}, f"{count} reset")


def _states() -> list[BreakerState]:
    join_installation_or_fail()
    with _redis_or_fail():
        return breaker_states()


def _lines(states: list[BreakerState]) -> list[str]:
    if not states:
        return ["No breaker has recorded a failed call."]
    width = max(len("breaker"), *(len(state.name) for state in states))
    head = f"{'breaker':<{width}}  state      failures  opened  next probe"
    return [head, *(line for state in states for line in (_line(state, width), *_held(state)))]


def _held(state: BreakerState) -> Iterator[str]:
    for user_id, until in sorted(state.blocked_users.items()):
        yield f"  open for {user_id} only; next probe {until:%Y-%m-%d %H:%M:%S} UTC"


def _line(state: BreakerState, width: int) -> str:
    until = "" if state.opens_until is None else f"{state.opens_until:%Y-%m-%d %H:%M:%S} UTC"
    numbers = f"{state.failures:>8}  {state.opens:>6}"
    return f"{state.name:<{width}}  {state.state:<9}  {numbers}  {until}".rstrip()


@contextmanager
def _redis_or_fail() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise click.ClickException(f"REDIS_URL: {error}") from None
