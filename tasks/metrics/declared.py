"""Every counter and histogram of the fleet. What the database knows exactly is not counted here."""

from typing import Final

from models.jobs import PRIORITIES, STAGES
from tasks.metrics.counts import Counter, Histogram, Metric

# In seconds. Requests take milliseconds, or as long as they wait; calls to models take seconds.
SHORT: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LONG: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

HTTP_REQUESTS: Final = Counter(
    "http_requests",
    "Answered HTTP requests.",
    method=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    route=None,
    status=None,
)
HTTP_SECONDS: Final = Histogram(
    "http_request_seconds",
    "From a request to the head of its response, in which it may wait for a job.",
    SHORT,
    route=None,
)
JOBS_ACCEPTED: Final = Counter("jobs_accepted", "Accepted jobs.", priority=PRIORITIES)
JOB_SECONDS: Final = Histogram(
    "job_seconds", "From the acceptance of a completed job to its end.", LONG
)
JOB_FIRST_TOKEN: Final = Histogram(
    "job_first_token_seconds", "From the acceptance of a job to the first text of its answer.", LONG
)
STAGE_SECONDS: Final = Histogram(
    "stage_seconds",
    "How long a run of a stage took.",
    LONG,
    stage=STAGES,
    status=("completed", "skipped", "degraded", "waiting", "failed"),
)
STAGE_RETRIES: Final = Counter(
    "stage_retries",
    "Runs of a stage that failed and are tried again, by the error's code.",
    stage=STAGES,
    code=None,
)
MODEL_CALLS: Final = Counter(
    "model_calls",
    "Calls to models, by the model and the error's code; `ok` without an error.",
    model=None,
    code=None,
)
FIRST_TOKEN: Final = Histogram(
    "first_token_seconds",
    "From a call to a model to the first text of its answer.",
    LONG,
    model=None,
)
CACHE_LOOKUPS: Final = Counter(
    "cache_lookups",
    "Lookups in a cache: the intents of messages, what keys allow, the bodies of jobs.",
    cache=("intents", "keys", "jobs"),
    result=("hit", "miss"),
)
COMPRESSIONS: Final = Counter(
    "compressions",
    "Long messages, by the compressor and what came of it.",
    compressor=("llmlingua2", "extractive", "none"),
    outcome=("shortened", "no_gain", "failed"),
)
WEBHOOK_ATTEMPTS: Final = Counter(
    "webhook_attempts",
    "Attempts to deliver an event to a webhook: delivered, to be tried again, or given up.",
    outcome=("delivered", "retried", "given_up"),
)

COUNTERS: Final = (
    HTTP_REQUESTS,
    JOBS_ACCEPTED,
    STAGE_RETRIES,
    MODEL_CALLS,
    CACHE_LOOKUPS,
    COMPRESSIONS,
    WEBHOOK_ATTEMPTS,
)
HISTOGRAMS: Final = (HTTP_SECONDS, JOB_SECONDS, JOB_FIRST_TOKEN, STAGE_SECONDS, FIRST_TOKEN)
COUNTED: Final[tuple[Metric, ...]] = (*COUNTERS, *HISTOGRAMS)
