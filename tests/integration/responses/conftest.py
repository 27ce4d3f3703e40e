"""The stock `openai` package against our web, real workers, and a provider that streams slowly."""

from collections.abc import Callable, Iterator

import openai
import pytest

from ...chaos.form import SHORT
from ...chaos.house import House
from ...chaos.workers import Fleet

# About three seconds of text, some forty pieces.
SLOWLY = {"latency_s": [0.3, 0.3], "words": 40}

Slowly = Callable[[], None]


@pytest.fixture(scope="session")
def shared_house() -> Iterator[House]:
    with House(SHORT) as house:
        yield house


@pytest.fixture(scope="session")
def fleet(shared_house: House) -> Iterator[Fleet]:
    """One worker; after a death another one takes its place."""
    workers = shared_house.fleet(1)
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture
def house(shared_house: House, fleet: Fleet) -> Iterator[House]:
    yield shared_house
    shared_house.behave()
    fleet.wait_until_ready()


@pytest.fixture
def slowly(house: House) -> None:
    """Answers take their time."""
    house.behave(**SLOWLY)


@pytest.fixture
def client(house: House) -> Iterator[openai.OpenAI]:
    """The stock client, as anybody would make it."""
    with openai.OpenAI(base_url=f"{house.web}/v1", api_key=house.key, max_retries=0) as made:
        yield made
