"""Response bodies of the operators' board."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.http.storable_text import CLEAN
from app.schemas.examples import BOARD, OPERATOR_JOB, page_of
from app.schemas.jobs import JobBody, JobStatus, job_body
from app.schemas.lists import Page, PageQuery
from app.schemas.times import timestamp, timestamp_or_none
from app.streaming.events import Event, steps_of
from models.job_minutes import Ended
from models.operations import OwnedJob, StageTimes

QUERY_MAX_CHARS: Final = 255


class ChartPoint(BaseModel):
    """The jobs that ended in a span of time."""

    at: str = Field(description="The beginning of the span.")
    completed: int = Field(description="Completed jobs.")
    failed: int = Field(description="Failed and expired jobs.")
    cost_usd: str = Field(description="What they have cost, in US dollars.")


class QueueBody(BaseModel):
    """The jobs in one slot at one stage."""

    queue: Literal["llm", "cpu"] = Field(description="The queue that serves the stage.")
    slot: str = Field(description="`queued`, `running`, `waiting`, `blocked` or `held`.")
    stage: str = Field(description="The stage that is next, or runs.")
    jobs: int = Field(description="How many there are.")
    oldest_s: float = Field(description="Seconds since the oldest of them was accepted.")


class LaneBody(BaseModel):
    """The queued jobs in one lane of a queue: a worker takes those of the first lane first."""

    queue: Literal["llm", "cpu"] = Field(description="The queue.")
    lane: Literal["first", "crowded", "bulk"] = Field(
        description="`first`: of users with few jobs in flight; `crowded`: of others; `bulk`."
    )
    jobs: int = Field(description="How many there are.")
    oldest_s: float = Field(description="Seconds since the oldest of them was accepted.")


class StageTimesBody(BaseModel):
    """How long a stage took in the newest 500 jobs."""

    stage: str = Field(description="The stage.")
    jobs: int = Field(description="The jobs in which it was completed.")
    p50_ms: int = Field(description="The median, in milliseconds.")
    p95_ms: int = Field(description="The 95th percentile, in milliseconds.")


class BreakerBody(BaseModel):
    """A circuit breaker that the fleet shares."""

    name: str = Field(description="What it guards.")
    state: str = Field(description="`closed`, `open` or `half-open`.")
    failures: int = Field(description="The failures within its window.")
    probe_at: str | None = Field(description="When an open breaker lets a call through.")
    blocked_users: int = Field(description="Users for whom alone it is open.")


class WorkerBody(BaseModel):
    """A worker that was seen within the last 15 seconds."""

    name: str = Field(description="Its node name in Celery.")
    seen_s: float = Field(description="Seconds since it was seen.")


class SpendBody(BaseModel):
    """What today's jobs have cost, in UTC."""

    jobs: int = Field(description="The jobs that ended today.")
    cost_usd: str = Field(description="In US dollars, with 6 decimals.")
    input_tokens: int
    output_tokens: int
    tokens_saved: int = Field(description="Input tokens saved by compression.")


class BoardBody(BaseModel):
    """The state of the installation, up to 2 seconds old."""

    model_config = ConfigDict(json_schema_extra={"example": BOARD})

    object: Literal["board"] = "board"
    at: str = Field(description="When it was read.")
    hour: list[ChartPoint] = Field(description="The last hour, by minute.")
    day: list[ChartPoint] = Field(description="The last day, by quarter of an hour.")
    queues: list[QueueBody] = Field(description="Where the unfinished jobs are.")
    lanes: list[LaneBody] = Field(description="The lanes of the queues that have queued jobs.")
    stages: list[StageTimesBody] = Field(description="How long each stage takes.")
    failures: dict[str, int] = Field(description="The last day's failures by code.")
    breakers: list[BreakerBody] = Field(description="The breakers that have recorded a failure.")
    workers: list[WorkerBody] = Field(description="The workers that are alive.")
    redis: bool = Field(description="Whether Redis answers; without it, no breaker or worker.")
    today: SpendBody = Field(description="What today's jobs have cost.")
    flower_url: str | None = Field(description="Where Flower is, if FLOWER_URL is set.")


class BoardQuery(PageQuery):
    """Filters for all jobs."""

    status: JobStatus | None = Field(None, description="Only jobs with this status.")
    q: Annotated[str, Field(min_length=1, max_length=QUERY_MAX_CHARS), CLEAN] | None = Field(
        None,
        description="The id of a job, a conversation or a broadcast, or a user's external id.",
    )


class OperatorJobBody(JobBody):
    """A job as an operator sees it: without texts, and with its inner state."""

    model_config = ConfigDict(json_schema_extra={"example": OPERATOR_JOB})

    user: str = Field(description="The external id of its user.")
    slot: str | None = Field(description="Where it is: queued, running, waiting, blocked or held.")
    stage: str = Field(description="The stage that it has reached.")
    epoch: int = Field(description="How often it was dispatched, crashes included.")
    attempts: int = Field(description="Failed attempts of its stage.")
    starts: int = Field(description="How many stages were begun, repeats included.")
    crash_count: int = Field(description="How many workers died or were lost with it.")
    lease_until: str | None = Field(description="Until when the run of its stage is alive.")
    next_attempt_at: str | None = Field(description="When a waiting job is tried again.")
    request_id: str | None = Field(description="The request that created it, for the log.")
    task_ids: dict[str, str] = Field(description="By stage, its task in Flower.")
    history: list[dict[str, Any]] = Field(description="Its events, oldest first, without text.")


class OperatorJobPage(Page[OperatorJobBody]):
    """A page of everybody's jobs, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(OPERATOR_JOB)})


def operator_job_body(owned: OwnedJob) -> OperatorJobBody:
    """Return a job's response body for operators. Prompts and answers are not theirs to read."""
    job = owned.job
    shown = job_body(job).model_dump() | {"output": None, "metadata": {}}
    return OperatorJobBody(
        **shown,
        user=owned.user,
        slot=job.slot,
        stage=job.stage,
        epoch=job.epoch,
        attempts=job.attempts,
        starts=job.starts,
        crash_count=job.crash_count,
        lease_until=timestamp_or_none(job.lease_until),
        next_attempt_at=timestamp_or_none(job.next_attempt_at),
        request_id=job.request_id,
        task_ids={name: f"{job.id}.{job.epoch}.{name}" for name in job.stages},
        history=[_event(step) for step in steps_of(job)],
    )


def _event(step: Event) -> dict[str, Any]:
    data = {name: value for name, value in step.data.items() if name not in ("job", "text")}
    return {"number": step.number, "type": step.type, **data}


def chart(ended: Iterable[Ended]) -> list[ChartPoint]:
    """Return the points of a chart, oldest first; spans without a job are left out."""
    points: dict[Any, dict[str, Any]] = {}
    for each in ended:
        point = points.setdefault(each.since, {"completed": 0, "failed": 0, "cost": 0})
        if each.status == "completed":
            point["completed"] += each.jobs
        elif each.status in ("failed", "expired"):
            point["failed"] += each.jobs
        point["cost"] += each.cost_usd
    return [
        ChartPoint(
            at=timestamp(since),
            completed=point["completed"],
            failed=point["failed"],
            cost_usd=f"{point['cost']:.6f}",
        )
        for since, point in points.items()
    ]


def failures_of(ended: Iterable[Ended]) -> dict[str, int]:
    """Return how many jobs failed with each code, most first."""
    counts: dict[str, int] = {}
    for each in ended:
        if each.code:
            counts[each.code] = counts.get(each.code, 0) + each.jobs
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def spend_of(ended: Iterable[Ended]) -> SpendBody:
    """Return the sum."""
    found = list(ended)
    return SpendBody(
        jobs=sum(each.jobs for each in found),
        cost_usd=f"{sum(each.cost_usd for each in found):.6f}",
        input_tokens=sum(each.input_tokens for each in found),
        output_tokens=sum(each.output_tokens for each in found),
        tokens_saved=sum(each.tokens_saved for each in found),
    )


def stage_times_body(times: StageTimes) -> StageTimesBody:
    """Return a stage's response body."""
    return StageTimesBody(
        stage=times.stage, jobs=times.jobs, p50_ms=times.p50_ms, p95_ms=times.p95_ms
    )
