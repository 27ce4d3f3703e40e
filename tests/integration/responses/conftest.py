"""The stock `openai` package with our web, real workers, and a slow provider."""

from collections.abc import Iterator

import openai
import pytest

from ...chaos.stack import Stack


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    """The stock client, configured as documented."""
    with openai.OpenAI(base_url=f"{stack.web}/v1", api_key=stack.key, max_retries=0) as made:
        yield made
