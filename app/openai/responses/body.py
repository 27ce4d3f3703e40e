"""A job as an OpenAI client reads it, with the names of OpenAI's `Response`."""

from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, computed_field

from app.openai.ids import item_id_of, response_id_of
from app.schemas.examples import EVENT, RESPONSE
from app.schemas.jobs import output_of
from app.schemas.lists import Identified
from config.settings import get_settings
from models.job_options import Options
from models.jobs import UNFINISHED, Job

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]

# Our code of a job's error -> OpenAI's; what is not here is a `server_error`.
ERROR_CODES: Final[dict[str, ErrorCode]] = {
    "context_too_long": "invalid_prompt",
    "rate_limited": "rate_limit_exceeded",
}
CUT_SHORT: Final[dict[str | None, Literal["max_output_tokens", "content_filter"]]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}


class TextPart(BaseModel):
    """The answer's text."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = []
    logprobs: list[Any] = []


class MessageItem(BaseModel):
    """The answer."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: ItemStatus
    content: list[TextPart]


class ResponseError(BaseModel):
    """Why the response failed."""

    code: ErrorCode
    message: str = Field(description="An explanation, followed by the job's error code.")


class IncompleteDetails(BaseModel):
    """Why the answer is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class InputTokensDetails(BaseModel):
    """Always zero: providers' caches are not reported."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(BaseModel):
    """Always zero: reasoning tokens are not reported."""

    reasoning_tokens: int = 0


class ResponseUsage(BaseModel):
    """The tokens that the response used."""

    input_tokens: int
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class ConversationRef(BaseModel):
    """The conversation of the message and its answer."""

    id: str


class TextFormat(BaseModel):
    """Plain text."""

    type: Literal["text"] = "text"


class TextConfig(BaseModel):
    """The text's format, which is always plain text."""

    format: TextFormat = TextFormat()


class ResponseBody(Identified):
    """A response: the job with the same ULID."""

    model_config = ConfigDict(
        json_schema_extra={"example": RESPONSE},
        openapi_extra={  # type: ignore[typeddict-unknown-key]  # flask-openapi3 reads it
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": "With `stream`: OpenAI's events, and `response.cancelled` "
                        "as the last event of a cancelled response. Unless the last event is an "
                        "`error` that names the response, the concatenated deltas are the answer.",
                    },
                    "example": EVENT,
                }
            }
        },
    )

    id: str
    object: Literal["response"] = "response"
    created_at: int = Field(description="Unix time in seconds.")
    completed_at: int | None = Field(
        description="Unix time in seconds; null unless the status is `completed`."
    )
    status: Status = Field(description="An `expired` job is `failed` here.")
    background: bool = Field(
        description="Whether it was created in the background; true for jobs of other calls."
    )
    model: str = Field(
        description="The model that answers; until that is decided, the requested model or mind."
    )
    conversation: ConversationRef | None = Field(description="Null once it has been deleted.")
    previous_response_id: str | None = Field(
        description="The response that this one continues, if any."
    )
    instructions: str | None = Field(
        description="The instructions, including the input's `system` and `developer` messages."
    )
    output: list[MessageItem] = Field(description="The answer; empty until there is one.")
    error: ResponseError | None = Field(description="Set if the status is `failed`.")
    incomplete_details: IncompleteDetails | None = Field(
        description="Set if the status is `incomplete`."
    )
    usage: ResponseUsage | None = Field(description="Null until the response has ended.")
    metadata: dict[str, Any] = Field(description="The metadata that was submitted.")
    temperature: float
    max_output_tokens: int | None = Field(description="The limit that was submitted, if any.")
    top_p: float = 1.0
    tools: list[Any] = Field([])
    tool_choice: Literal["auto"] = "auto"
    parallel_tool_calls: bool = True
    text: TextConfig = TextConfig()
    truncation: Literal["auto"] = "auto"
    service_tier: Literal["default"] = "default"
    store: bool = True

    @computed_field(  # type: ignore[prop-decorator]
        description="The text of `output`, which OpenAI's client libraries also assemble."
    )
    @property
    def output_text(self) -> str:
        return "".join(part.text for item in self.output for part in item.content)


def response_body(job: Job) -> ResponseBody:
    """Return a job's response body."""
    options = Options.of(job.options)
    temperature = options.temperature
    return ResponseBody(
        id=response_id_of(job.id),
        created_at=int(job.created_at.timestamp()),
        completed_at=_completed_at(job),
        status=status_of(job),
        background=options.background is not False,
        model=(job.route or {}).get("model") or options.model or job.mind,
        conversation=ConversationRef(id=job.conversation_id) if job.conversation_id else None,
        previous_response_id=response_id_of(job.previous_id) if job.previous_id else None,
        instructions=options.instructions,
        output=_output(job),
        error=_error(job),
        incomplete_details=_incomplete(job),
        usage=_usage(job),
        metadata=job.meta,
        temperature=get_settings().temperature if temperature is None else temperature,
        max_output_tokens=options.max_tokens,
    )


def begun(body: ResponseBody, status: Status) -> ResponseBody:
    """Return a response as it was before it had any output."""
    nothing = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None}
    return body.model_copy(update={**nothing, "status": status, "output": []})


def status_of(job: Job) -> Status:
    """Return OpenAI's status for a job."""
    if job.status == "completed":
        return "incomplete" if job.finish_reason in CUT_SHORT else "completed"
    return "failed" if job.status == "expired" else cast(Status, job.status)


def item_of(job_id: str, text: str | None, status: ItemStatus) -> MessageItem:
    """Return an answer as an output item, whose content is empty if there is no text yet."""
    content = [] if text is None else [TextPart(text=text)]
    return MessageItem(id=item_id_of(job_id), status=status, content=content)


def _output(job: Job) -> list[MessageItem]:
    """Return the answer of a completed job, or the partial answer of a cancelled one."""
    if job.status == "completed":
        cut = job.finish_reason in CUT_SHORT
        return [item_of(job.id, job.answer or "", "incomplete" if cut else "completed")]
    text = output_of(job)
    return [item_of(job.id, text, "incomplete")] if text else []


def _completed_at(job: Job) -> int | None:
    if status_of(job) != "completed" or job.completed_at is None:
        return None
    return int(job.completed_at.timestamp())


def _error(job: Job) -> ResponseError | None:
    if not job.error:
        return None
    code = job.error["code"]
    message = f"{job.error['message']} ({code})"
    return ResponseError(code=ERROR_CODES.get(code, "server_error"), message=message)


def _incomplete(job: Job) -> IncompleteDetails | None:
    reason = CUT_SHORT.get(job.finish_reason) if job.status == "completed" else None
    return IncompleteDetails(reason=reason) if reason else None


def _usage(job: Job) -> ResponseUsage | None:
    if job.status in UNFINISHED:
        return None
    return ResponseUsage(
        input_tokens=job.input_tokens,
        output_tokens=job.output_tokens,
        total_tokens=job.input_tokens + job.output_tokens,
    )
