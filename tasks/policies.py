"""How hard each stage tries, and when it stops: the only place to tune it. All times in seconds."""

from dataclasses import dataclass
from typing import Final

from models.errors import DatabaseUnavailable, ProviderUnavailable, RateLimited


@dataclass(frozen=True)
class BreakerPolicy:
    """When a circuit opens, and for how long.

    It opens when the last `failures` failures lie within `window_s`, with no more successes between
    them than failures: a busy provider that fails now and then stays closed. Were they all
    one user's, it opens for him alone. `window_s` holds as many calls as that, even if each takes
    its whole limit. `reset_s` later one call, the probe, may
    try again; whoever makes it has to show a sign of life within `lease_s`, or another may.
    `counts`: the errors that are failures (a PermanentError never is one). `shared`: whether the
    whole fleet has one circuit, in Redis, or each process its own.
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

    `quick_tries`: calls made at once, in the process, before a failure counts. `attempts`: failures
    that are written down, with a wait between `first_wait_s` and `max_wait_s` after each, before
    the job fails. `call_limit_s` bounds one call to the other side, `idle_limit_s` its silence;
    for generate both count from the first text on, and `FIRST_BYTE_LIMIT_S` comes before.
    `run_limit_s` bounds a whole run, all its calls together: its lease is not extended beyond.
    `soft_limit_s` interrupts the stage's own computing; only a prefork pool can do so.
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


# What says that a provider is in trouble, and not one user's request.
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
    run_limit_s=7200,  # two calls that think as long as a setting allows
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
    # PostgreSQL away and Redis away are two things; and this one stands before every transition.
    breaker=BreakerPolicy(
        failures=5, window_s=60, reset_s=5, counts=(DatabaseUnavailable,), shared=False
    ),
)
# How long a stage tries to load its job while PostgreSQL is away, before it leaves it to the
# reconciler; and the longest pause between two tries.
LOAD_PATIENCE_S: Final = 30.0
DATABASE_PAUSE_S: Final = 5.0
# The first answer of the embedded model may have to wait for a free slot of it: it has no more than
# the machine's cores can feed.
EMBEDDED_IDLE_LIMIT_S: Final = 300.0
