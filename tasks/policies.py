"""Each stage's retries, limits and breaker, all tuned here. All times are in seconds."""

from dataclasses import dataclass
from typing import Final

from models.errors import DatabaseUnavailable, ProviderUnavailable, RateLimited


@dataclass(frozen=True)
class BreakerPolicy:
    """When a circuit opens, and for how long.

    It opens when the last `failures` failures lie within `window_s` with no more successes than
    failures between them, so that a busy provider with occasional failures stays closed. If one
    user made all of those calls, it opens for that user only.

    Args:
        failures: how many failures open the circuit.
        window_s: long enough for `failures` calls that each take their whole limit.
        reset_s: how long it stays open before one call, the probe, may try again.
        lease_s: how often the prober must renew its lease; if it lapses, another call may probe.
        counts: the errors that count as failures. A PermanentError never does.
        shared: whether the whole fleet shares one circuit, in Redis, or each process has its own.
    """

    failures: int
    window_s: float
    reset_s: float
    lease_s: float = 10
    counts: tuple[type[Exception], ...] = (Exception,)
    shared: bool = True

    def __post_init__(self) -> None:
        if self.failures < 1 or min(self.window_s, self.reset_s, self.lease_s) <= 0:
            raise ValueError(f"{self}: every number must be positive")


@dataclass(frozen=True)
class Policy:
    """One stage's policy.

    Args:
        attempts: recorded failures before the job fails.
        first_wait_s: the shortest wait after a recorded failure.
        max_wait_s: the longest wait after a recorded failure.
        quick_tries: calls made in immediate succession before a failure is recorded.
        call_limit_s: the limit of one outgoing call. For generate it starts with the first text;
            until then `FIRST_BYTE_LIMIT_S` applies.
        idle_limit_s: the limit of a call's silence; for generate as above.
        run_limit_s: the limit of a run with all its calls: its lease is not extended beyond it.
        soft_limit_s: interrupts the stage's own computing, which only a prefork pool can do.
    """

    stage: str
    attempts: int
    first_wait_s: float
    max_wait_s: float
    quick_tries: int
    call_limit_s: float
    idle_limit_s: float
    run_limit_s: float
    breaker: BreakerPolicy
    soft_limit_s: float | None = None


# The errors that point to the provider rather than to one user's request.
OUTAGES: Final = (ProviderUnavailable, RateLimited)

INTENT: Final = Policy(
    stage="intent",
    attempts=3,
    first_wait_s=1,
    max_wait_s=30,
    quick_tries=1,
    call_limit_s=5,
    idle_limit_s=5,
    run_limit_s=60,
    breaker=BreakerPolicy(failures=5, window_s=60, reset_s=30, counts=OUTAGES),
)
COMPRESS: Final = Policy(
    stage="compress",
    attempts=3,
    first_wait_s=1,
    max_wait_s=30,
    quick_tries=1,
    call_limit_s=60,
    idle_limit_s=60,
    run_limit_s=120,
    breaker=BreakerPolicy(failures=3, window_s=300, reset_s=60),
    soft_limit_s=60,
)
GENERATE: Final = Policy(
    stage="generate",
    attempts=6,
    first_wait_s=2,
    max_wait_s=120,
    quick_tries=2,
    call_limit_s=300,
    idle_limit_s=30,
    run_limit_s=7200,  # two calls that reason for as long as the settings allow
    breaker=BreakerPolicy(failures=5, window_s=300, reset_s=30, counts=OUTAGES),
)
PERSIST: Final = Policy(
    stage="persist",
    attempts=20,
    first_wait_s=1,
    max_wait_s=60,
    quick_tries=2,
    call_limit_s=30,
    idle_limit_s=30,
    run_limit_s=120,
    # Not shared: it guards every transition and must work while Redis is unavailable.
    breaker=BreakerPolicy(
        failures=5, window_s=60, reset_s=5, counts=(DatabaseUnavailable,), shared=False
    ),
)
POLICIES: Final = {policy.stage: policy for policy in (INTENT, COMPRESS, GENERATE, PERSIST)}


@dataclass(frozen=True)
class DeliveryPolicy:
    """How events are sent to webhooks.

    Args:
        task: the name of the Celery task.
        waits_s: how long to wait after each failed attempt; the last one is repeated.
        give_up_after_s: the last attempt is made so long after the first.
        jitter: the share by which a wait varies.
        connect_limit_s: the limit of connecting to one address.
        read_bytes: how much of a response is read at most.
        call_limit_s: the limit of an attempt as a whole, once the name is resolved.
        lease_s: after so long, an attempt's process is presumed dead. It includes the resolver's
            own limits.
        run_limit_s: after so long, a task leaves what is still due to another.
        of_webhook: attempts at once, for one webhook.
        of_user: attempts at once, for all webhooks of one user; fewer where a process has few left.
        of_process: attempts at once in one worker process; a quarter of its threads at most, but
            two.
        dispatch_lease_s: how long a message of the reconciler is presumed to be in the broker.
    """

    task: str
    waits_s: tuple[float, ...]
    give_up_after_s: float
    jitter: float
    connect_limit_s: float
    read_bytes: int
    call_limit_s: float
    lease_s: float
    run_limit_s: float
    of_webhook: int
    of_user: int
    of_process: int
    dispatch_lease_s: float


DELIVER: Final = DeliveryPolicy(
    task="deliver",
    # As Standard Webhooks recommends, within 72 hours.
    waits_s=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400),
    give_up_after_s=259_200,
    jitter=0.1,
    connect_limit_s=5,
    read_bytes=256 * 1024,
    call_limit_s=15,
    lease_s=60,
    run_limit_s=30,
    of_webhook=2,
    of_user=6,
    of_process=32,
    dispatch_lease_s=10,
)
# How much of a message a model that classifies it is shown, and how long its answer may be.
CLASSIFIER_SHOWN_CHARS: Final = 2000
CLASSIFIER_ANSWER_TOKENS: Final = 60
# How long a stage tries to load its job while PostgreSQL is unavailable before leaving it to the
# reconciler, and the longest pause between two tries.
LOAD_PATIENCE_S: Final = 30.0
DATABASE_PAUSE_S: Final = 5.0
# The embedded model has only as many slots as the machine's cores can serve, so an answer may have
# to wait for a free one.
EMBEDDED_IDLE_LIMIT_S: Final = 300.0
