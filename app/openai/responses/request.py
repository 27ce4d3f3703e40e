"""A call that asks for a response, and the job that it means."""

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
from tasks.jobs.pipeline import Submission

ID_MAX_CHARS: Final = 64
MODEL_MAX_CHARS: Final = 128
# The most that every model of the routes can write at once.
MAX_OUTPUT_TOKENS: Final = 16_384
PREVIOUS: Final = "previous_response_id"


class NewResponse(OnlyDefaults):
    """What shall be answered, and how."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"model": "auto", "input": "What is the capital of France?"}},
    )

    input: Input
    model: Annotated[str, Field(max_length=MODEL_MAX_CHARS)] | None = Field(
        None,
        description="A mind; or a model of the routes such as `openai/gpt-5.4-mini`, or its name "
        "alone, which is then asked instead of the mind's route; or `auto`: the default mind, "
        "routed by intent, as where it is left out. After a previous response: its mind.",
        json_schema_extra={"example": "auto"},
    )
    instructions: str | None = Field(
        None, description="What the mind is told beside its own prompt, for this response alone."
    )
    previous_response_id: Annotated[str, Field(max_length=ID_MAX_CHARS)] | None = Field(
        None,
        description="The completed response that this one goes on from, in the same conversation. "
        "What led to that one is the history: 50 responses at most.",
    )
    metadata: (
        Annotated[dict[MetadataName, MetadataValue], Field(max_length=METADATA_ENTRIES)] | None
    ) = Field(None, description=f"Yours to keep: at most {METADATA_ENTRIES} strings by name.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="Without it, what `TEMPERATURE` says here."
    )
    max_output_tokens: Annotated[int, Field(ge=16, le=MAX_OUTPUT_TOKENS), WHOLE] | None = Field(
        None, description="Where the answer is cut. Never more than half of what the model holds."
    )
    background: bool | None = Field(
        None, description="Answer at once, `queued`, instead of when the response is there."
    )
    stream: bool | None = Field(None, description="Answer with server-sent events.")


class ResponseQuery(BaseModel):
    """How a response is read."""

    model_config = ConfigDict(extra="forbid")

    stream: bool = Field(False, description="As server-sent events, those that were sent first.")
    starting_after: Annotated[int, Field(ge=0)] | None = Field(
        None, description="The `sequence_number` after which the stream begins; with `stream`."
    )
    include_obfuscation: Annotated[str, Only(("false",))] | None = Field(
        None, description="Events are never padded."
    )

    @property
    def after(self) -> int | None:
        """After which number the stream begins. Raises Refusal where there is no stream."""
        if self.starting_after is not None and not self.stream:
            raise refused("starting_after", "invalid_value", "starting_after needs stream=true.")
        return self.starting_after


def submission_of(session: Session, user_id: str, body: NewResponse) -> Submission:
    """The job that a call means. Raises Refusal, naming the parameter."""
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
    """Who goes on. The manager, who merges answers, does not: the default mind does."""
    return previous.mind if previous and previous.mind in get_minds().minds else None


def _previous(session: Session, user_id: str, response_id: str | None) -> Job | None:
    if response_id is None:
        return None
    job_id = job_id_of(response_id)
    job = find_job(session, user_id, job_id) if job_id else None
    if job is None or job.conversation_id is None:
        message = "There is no such previous response."
        raise refused(PREVIOUS, "previous_response_not_found", message)
    if job.status != "completed":
        message = f"The previous response is not completed: it is {job.status}."
        raise refused(PREVIOUS, "previous_response_not_completed", message)
    return job


class ResponsePath(BaseModel):
    """Which response."""

    response_id: str = id_of("resp", "One of your responses.")
