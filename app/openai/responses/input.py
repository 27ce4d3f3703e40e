"""`input`: a text, or a list of messages that ends with one of the user's."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.openai.errors import refused
from app.openai.responses.defaults import Only
from app.schemas.message import NOT_BLANK, is_blank
from config.settings import get_settings

MAX_MESSAGES: Final = 1000
MAX_PARTS: Final = 100
OUR_ROLES: Final = ("system", "developer")


class Part(BaseModel):
    """A piece of text. The fields of an output item's own part are accepted."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["input_text", "output_text"]
    text: Annotated[str, Field(strict=True)]
    annotations: Annotated[Any, Only(([],))] = None
    logprobs: Annotated[Any, Only(([],))] = None


def _as_parts(content: Any) -> Any:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


class InputMessage(BaseModel):
    """A message and its role. An item of an earlier response's `output` is accepted as it is."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[
        list[Part],
        BeforeValidator(_as_parts, json_schema_input_type=str | list[Part]),
        Field(
            min_length=1,
            max_length=MAX_PARTS,
            description="A text, or pieces of text, which are joined by line breaks.",
        ),
    ]
    id: Annotated[str, Field(strict=True, max_length=64)] | None = Field(
        None, description="Ignored."
    )
    status: Literal["in_progress", "completed", "incomplete"] | None = Field(
        None, description="Ignored."
    )
    phase: Annotated[Any, Only()] = None

    @property
    def text(self) -> str:
        """The message's whole text."""
        return "\n".join(part.text for part in self.content)


def _as_messages(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


Input = Annotated[
    list[InputMessage],
    BeforeValidator(
        _as_messages,
        json_schema_input_type=Annotated[str, Field(pattern=NOT_BLANK)] | list[InputMessage],
    ),
    Field(
        min_length=1,
        max_length=MAX_MESSAGES,
        description="The user's message: a text, or a list of messages that ends with one of the "
        "user's. `system` and `developer` messages are added to the instructions; the others are "
        "the history. None may be blank or longer than the server's `MAX_MESSAGE_CHARS`.",
        json_schema_extra={"example": "What is the capital of France?"},
    ),
]


@dataclass(frozen=True)
class Said:
    """An input's parts: the message to answer, the history before it, and the instructions."""

    message: str
    history: tuple[tuple[str, str], ...]
    instructions: str | None


def sort_input(messages: list[InputMessage], instructions: str | None) -> Said:
    """Split an input into its parts.

    Raises:
        Refusal: if a text is blank or too long, or the last message is not the user's.
    """
    for message in messages:
        _check_text(message.text, "input")
    if instructions:
        _check_text(instructions, "instructions")
    *before, last = messages
    if last.role != "user":
        raise refused("input", "invalid", "The last message of input must be the user's.")
    told = [message.text for message in before if message.role in OUR_ROLES]
    return Said(
        message=last.text,
        history=tuple((m.role, m.text) for m in before if m.role not in OUR_ROLES),
        instructions="\n\n".join([*([instructions] if instructions else []), *told]) or None,
    )


def _check_text(text: str, param: str) -> None:
    if is_blank(text):
        raise refused(param, "blank", f"A text of {param} must not be blank.")
    limit = get_settings().max_message_chars
    if len(text) > limit:
        message = f"A text of {param} must have at most {limit} characters."
        raise refused(param, "too_long", message)
