"""A job as an OpenAI client reads it. The names are those of OpenAI's `Response`."""

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
    """Why a response failed."""

    code: ErrorCode
    message: str = Field(description="What happened; a job's own code stands at its end.")


class IncompleteDetails(BaseModel):
    """Why an answer is cut short."""

    reason: Literal["max_output_tokens", "content_filter"]


class InputTokensDetails(BaseModel):
    """Nothing is counted of a provider's caches."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(BaseModel):
    """Nothing is counted of what a model thinks."""

    reasoning_tokens: int = 0


class ResponseUsage(BaseModel):
    """The tokens that a response took."""

    input_tokens: int
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class ConversationRef(BaseModel):
    """Where the message and its answer are kept."""

    id: str


class TextFormat(BaseModel):
    """Plain text."""

    type: Literal["text"] = "text"


class TextConfig(BaseModel):
    """How text is written: plainly."""

    format: TextFormat = TextFormat()


class ResponseBody(Identified):
    """A response: the job of the same ULID."""

    model_config = ConfigDict(
        json_schema_extra={"example": RESPONSE},
        openapi_extra={  # type: ignore[typeddict-unknown-key]  # flask-openapi3 reads it
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": "With `stream`: OpenAI's events. Beyond them: "
                        "`response.cancelled`, the last event of a cancelled response. The "
                        "deltas, put together, are the answer, or the last event is an `error` "
                        "that names the response.",
                    },
                    "example": EVENT,
                }
            }
        },
    )

    id: str
    object: Literal["response"] = "response"
    created_at: int = Field(description="Seconds since 1970.")
    completed_at: int | None = Field(description="Of one that is `completed`.")
    status: Status = Field(description="A job that has `expired` is `failed` here.")
    background: bool = Field(description="True of a job that came by another call.")
    model: str = Field(description="Which model answers; before that is known, who was asked.")
    conversation: ConversationRef | None = Field(description="Null once it was deleted.")
    previous_response_id: str | None = Field(description="The one that this goes on from.")
    instructions: str | None = Field(
        description="With the `system` and `developer` messages of the input."
    )
    output: list[MessageItem] = Field(description="Empty until there is an answer.")
    error: ResponseError | None = Field(description="Of one that is `failed`.")
    incomplete_details: IncompleteDetails | None = Field(description="Of one that is `incomplete`.")
    usage: ResponseUsage | None = Field(description="Null until the end.")
    metadata: dict[str, Any] = Field(description="As it was sent.")
    temperature: float
    max_output_tokens: int | None = Field(description="As it was sent.")
    top_p: float = 1.0
    tools: list[Any] = Field([])
    tool_choice: Literal["auto"] = "auto"
    parallel_tool_calls: bool = True
    text: TextConfig = TextConfig()
    truncation: Literal["auto"] = "auto"
    service_tier: Literal["default"] = "default"
    store: bool = True

    @computed_field(  # type: ignore[prop-decorator]
        description="The text of `output`, which OpenAI's packages put together themselves."
    )
    @property
    def output_text(self) -> str:
        return "".join(part.text for item in self.output for part in item.content)


def response_body(job: Job) -> ResponseBody:
    """A job as every call of the facade shows it."""
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
    """A response as it was before anything came of it."""
    nothing = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None}
    return body.model_copy(update={**nothing, "status": status, "output": []})


def status_of(job: Job) -> Status:
    """OpenAI's word for where a job is."""
    if job.status == "completed":
        return "incomplete" if job.finish_reason in CUT_SHORT else "completed"
    return "failed" if job.status == "expired" else cast(Status, job.status)


def item_of(job_id: str, text: str | None, status: ItemStatus) -> MessageItem:
    """The answer as an output item; without a text, with no content yet."""
    content = [] if text is None else [TextPart(text=text)]
    return MessageItem(id=item_id_of(job_id), status=status, content=content)


def _output(job: Job) -> list[MessageItem]:
    """The answer, once it is stored; of a cancelled job, as much of it as there is."""
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
