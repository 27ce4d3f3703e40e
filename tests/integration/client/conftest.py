"""The `trimind` package and the commands that use it, with a whole stack."""

from collections.abc import Iterator
from typing import Any

import pytest

from ...chaos.proxy import Proxy
from ...chaos.stack import Stack
from ...clients import BOTH, Ask


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    """A proxy between the client and the web, which can break connections."""
    with Proxy(stack.web_port) as between:
        yield between


@pytest.fixture(params=BOTH)
def ask(request: pytest.FixtureRequest, stack: Stack) -> Ask:
    """`ask(method, *arguments, at, key, **options)` of each client, with the stack."""
    kind = BOTH[request.param]

    def of_stack(method: str, *arguments: Any, **options: Any) -> Any:
        url, key = options.pop("at", stack.web), options.pop("key", stack.key)
        return kind(url, key, method, *arguments, **options)

    return of_stack
