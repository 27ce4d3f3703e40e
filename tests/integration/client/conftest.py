"""The `trimind` package and the commands that use it, with a whole stack."""

from collections.abc import Iterator

import pytest

from ...chaos.proxy import Proxy
from ...chaos.stack import Stack


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    """A proxy between the client and the web, which can break connections."""
    with Proxy(stack.web_port) as between:
        yield between
