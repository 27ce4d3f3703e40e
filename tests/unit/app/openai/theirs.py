"""What the `openai` package makes of our answers.

Loading the package takes a second: import this by the fixture `theirs`, in the tests alone.
"""

from collections.abc import Iterable
from typing import Any

from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent, response_create_params
from pydantic import TypeAdapter

_RESPONSE: TypeAdapter[Response] = TypeAdapter(Response)
_EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def read(body: dict[str, Any]) -> Response:
    """A response that passes every rule of the package's own model."""
    return _RESPONSE.validate_python(body, strict=True)


def read_event(event: dict[str, Any]) -> ResponseStreamEvent:
    """An event that passes every rule of the package's own models."""
    return _EVENT.validate_python(event, strict=True)


def put_together(events: Iterable[dict[str, Any]]) -> Any:
    """The response that the package's client puts together from these events."""
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    for each in events:
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=each))
    return state._completed_response


def parameters() -> set[str]:
    """The names of all parameters of a new response."""
    params = response_create_params
    return {
        *params.ResponseCreateParamsStreaming.__annotations__,
        *params.ResponseCreateParamsBase.__annotations__,
    }
