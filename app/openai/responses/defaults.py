"""Parameters of OpenAI's that Trimind does not support: only their default values are accepted.

Any other value is refused, naming the parameter. So are `user`, `safety_identifier` and
`prompt_cache_key`, which nothing here would read.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function


def _exactly(value: Any) -> JsonSchemaValue:
    """The schema of one JSON value. It has a type: generators reject an enum of several types."""
    if isinstance(value, list):
        return {"type": "array", "items": {}, "maxItems": len(value)}
    if isinstance(value, dict):
        shapes = {name: _exactly(each) for name, each in value.items()}
        closed = {"type": "object", "additionalProperties": False}
        return closed | ({"properties": shapes, "required": list(shapes)} if shapes else {})
    kind = {bool: "boolean", str: "string"}.get(type(value), "number")
    return {"type": kind, "const": value}


@dataclass(frozen=True)
class Only:
    """A parameter that may be omitted, null, or one of these values."""

    values: tuple[Any, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after pydantic has."""
        return no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the accepted values."""
        names = [value for value in self.values if isinstance(value, str)]
        options = [{"type": "string", "enum": names}] if names else []
        others = [_exactly(value) for value in self.values if not isinstance(value, str)]
        options += [each for at, each in enumerate(others) if each not in others[:at]]  # 1 is 1.0
        options.append({"type": "null"})
        shape = {"anyOf": options} if len(options) > 1 else options[0]
        known = "Only these values are supported." if self.values else "Not supported."
        return {**shape, "description": known}

    def check(self, value: Any) -> Any:
        """Return the value if it is accepted. It is compared as JSON, where 1 is not true."""
        sent = json.dumps(value, sort_keys=True)
        allowed = [json.dumps(each, sort_keys=True) for each in self.values]
        if value is None or sent in allowed:
            return value
        or_send = f" or send {' or '.join(allowed)}" if allowed else ""
        raise PydanticCustomError("unsupported_value", "is not supported", {"or_send": or_send})


class OnlyDefaults(BaseModel):
    """Parameters that are accepted without effect. A long history is always truncated, oldest turns
    first, so `truncation` is `auto`."""

    store: Annotated[Any, Only((True,))] = None
    tools: Annotated[Any, Only(([],))] = None
    tool_choice: Annotated[Any, Only(("auto", "none"))] = None
    parallel_tool_calls: Annotated[Any, Only((True,))] = None
    max_tool_calls: Annotated[Any, Only()] = None
    text: Annotated[Any, Only(({}, {"format": {"type": "text"}}))] = None
    truncation: Annotated[Any, Only(("auto",))] = None
    top_p: Annotated[Any, Only((1, 1.0))] = None
    top_logprobs: Annotated[Any, Only((0,))] = None
    include: Annotated[Any, Only(([],))] = None
    stream_options: Annotated[Any, Only(({"include_obfuscation": False},))] = None
    service_tier: Annotated[Any, Only(("auto", "default"))] = None
    reasoning: Annotated[Any, Only()] = None
    conversation: Annotated[Any, Only()] = None
    context_management: Annotated[Any, Only()] = None
    moderation: Annotated[Any, Only()] = None
    prompt: Annotated[Any, Only()] = None
    prompt_cache_key: Annotated[Any, Only()] = None
    prompt_cache_options: Annotated[Any, Only()] = None
    prompt_cache_retention: Annotated[Any, Only()] = None
    safety_identifier: Annotated[Any, Only()] = None
    user: Annotated[Any, Only()] = None
