"""Integers in a body. JSON has a single number type, so 20.0 is accepted as 20."""

from typing import Any, Final

from pydantic import BeforeValidator


def _whole(sent: Any) -> Any:
    return int(sent) if isinstance(sent, float) and sent.is_integer() else sent


WHOLE: Final = BeforeValidator(_whole)
