"""The stock `openai` package with our web, real workers, and a slow provider."""

from collections.abc import Callable, Iterator

import openai
import pytest

from ...chaos.profiles import SHORT
from ...chaos.stack import Stack
from ...chaos.workers import Fleet

# About three seconds of text, some forty pieces.
SLOWLY = {"latency_s": [0.3, 0.3], "words": 40}

Slowly = Callable[[], None]


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[Stack]:
    with Stack(SHORT) as stack:
        yield stack


@pytest.fixture(scope="session")
def fleet(shared_stack: Stack) -> Iterator[Fleet]:
    """One worker, which is restarted when it dies."""
    workers = shared_stack.fleet(1)
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture
def stack(shared_stack: Stack, fleet: Fleet) -> Iterator[Stack]:
    yield shared_stack
    shared_stack.set_faults()
    fleet.wait_until_ready()


@pytest.fixture
def slowly(stack: Stack) -> None:
    """Make answers slow."""
    stack.set_faults(**SLOWLY)


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    """The stock client, configured as documented."""
    with openai.OpenAI(base_url=f"{stack.web}/v1", api_key=stack.key, max_retries=0) as made:
        yield made
