"""Whole numbers in a body. JSON has one kind of number, so that 20.0 is as good as 20."""

from typing import Any, Final

from pydantic import BeforeValidator


def _whole(sent: Any) -> Any:
    return int(sent) if isinstance(sent, float) and sent.is_integer() else sent


WHOLE: Final = BeforeValidator(_whole)
