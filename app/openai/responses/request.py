"""A request for a response, and the job that it stands for."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.openai.errors import refused
from app.openai.ids import job_id_of
from app.openai.responses.defaults import Only, OnlyDefaults
from app.openai.responses.input import Input, sort_input
from app.openai.responses.model import choose
from app.schemas.jobs import METADATA_ENTRIES, MetadataName, MetadataValue
from app.schemas.numbers import WHOLE
from app.schemas.paths import id_of
from config.minds import get_minds
from config.settings import get_settings
from models.job_options import Options
from models.jobs import Job, find_job
from tasks.jobs.submission import Submission

ID_MAX_CHARS: Final = 64
MODEL_MAX_CHARS: Final = 128
# Every model of the routes can write this much in one answer.
MAX_OUTPUT_TOKENS: Final = 16_384
PREVIOUS: Final = "previous_response_id"


class NewResponse(OnlyDefaults):
    """What to answer, and how."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"model": "auto", "input": "What is the capital of France?"}},
    )

    input: Input
    model: Annotated[str, Field(max_length=MODEL_MAX_CHARS)] | None = Field(
        None,
        description="A mind; or a model of the routes, such as `openai/gpt-5.4-mini` or its name "
        "alone, to use instead of the mind's route; or `auto`, the default mind, routed by intent. "
        "Defaults to the previous response's mind if there is one, else to `auto`.",
        json_schema_extra={"example": "auto"},
    )
    instructions: str | None = Field(
        None, description="Instructions in addition to the mind's prompt, for this response only."
    )
    previous_response_id: Annotated[str, Field(max_length=ID_MAX_CHARS)] | None = Field(
        None,
        description="The completed response that this one continues, in the same conversation. "
        "The history is that response and those before it, up to 50.",
    )
    metadata: (
        Annotated[dict[MetadataName, MetadataValue], Field(max_length=METADATA_ENTRIES)] | None
    ) = Field(None, description=f"Your own key-value pairs: up to {METADATA_ENTRIES} strings.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="The sampling temperature. Defaults to the server's `TEMPERATURE`."
    )
    max_output_tokens: Annotated[int, Field(ge=16, le=MAX_OUTPUT_TOKENS), WHOLE] | None = Field(
        None,
        description="The maximum length of the answer. Never more than half of the model's context "
        "window.",
    )
    background: bool | None = Field(
        None, description="Return the `queued` response immediately instead of waiting for its end."
    )
    stream: bool | None = Field(None, description="Respond with server-sent events.")


class ResponseQuery(BaseModel):
    """How to retrieve a response."""

    model_config = ConfigDict(extra="forbid")

    stream: bool = Field(False, description="Respond with the events that were sent originally.")
    starting_after: Annotated[int, Field(ge=0)] | None = Field(
        None, description="With `stream`: only events after this `sequence_number`."
    )
    include_obfuscation: Annotated[str, Only(("false",))] | None = Field(
        None, description="Events are never padded."
    )

    @property
    def after(self) -> int | None:
        """The number after which the stream begins. Raises Refusal without a stream."""
        if self.starting_after is not None and not self.stream:
            raise refused("starting_after", "invalid", "starting_after requires stream=true.")
        return self.starting_after


def submission_of(session: Session, user_id: str, body: NewResponse) -> Submission:
    """Return the job that a request stands for. Raises Refusal, naming the parameter."""
    choice = choose(body.model, get_minds(), get_settings())
    said = sort_input(body.input, body.instructions)
    previous = _previous(session, user_id, body.previous_response_id)
    return Submission(
        user_id=user_id,
        message=said.message,
        conversation_id=previous.conversation_id if previous else None,
        previous_id=previous.id if previous else None,
        mind=choice.mind or _mind_of(previous),
        metadata=body.metadata or {},
        options=Options(
            instructions=said.instructions,
            model=choice.model,
            temperature=body.temperature,
            max_tokens=body.max_output_tokens,
            history=said.history,
            background=bool(body.background),
        ),
    )


def _mind_of(previous: Job | None) -> str | None:
    """The mind of the previous response. After a merge by the manager, the default mind answers."""
    return previous.mind if previous and previous.mind in get_minds().minds else None


def _previous(session: Session, user_id: str, response_id: str | None) -> Job | None:
    if response_id is None:
        return None
    job_id = job_id_of(response_id)
    job = find_job(session, user_id, job_id) if job_id else None
    if job is None or job.conversation_id is None:
        message = "No such previous response."
        raise refused(PREVIOUS, "previous_response_not_found", message)
    if job.status != "completed":
        message = f"The previous response must be completed; it is {job.status}."
        raise refused(PREVIOUS, "previous_response_not_completed", message)
    return job


class ResponsePath(BaseModel):
    """The path of a response."""

    response_id: str = id_of("resp", "The response's id.")
