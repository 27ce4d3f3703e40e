"""Whether to try again: a pure function. Doing it is the stage's business."""

from dataclasses import dataclass
from typing import Final

from models.errors import (
    CircuitOpen,
    Internal,
    ProviderMisconfigured,
    TransientError,
    TrimindError,
    UnusableAnswer,
)
from tasks.policies import Policy

# Seconds, at least, until a provider that is set up wrongly is asked again: they double up to the
# longest, and are spread by as much again.
MENDED_S: Final = 15.0
MENDED_MOST_S: Final = 150.0
UNUSABLE_TRIES: Final = 2


@dataclass(frozen=True)
class Again:
    """Wait `delay_s`, then run the stage again. `counts`: whether an attempt is used up."""

    delay_s: float
    counts: bool


@dataclass(frozen=True)
class GiveUp:
    """The job has failed, with this code and this message."""

    code: str
    message: str


def decide(
    error: Exception,
    policy: Policy,
    attempts: int,
    jitter: float,
    misconfigured: int = 1,
    *,
    pinned: bool = False,
) -> Again | GiveUp:
    """What follows a failed run of a stage after `attempts` earlier ones.

    `misconfigured`: how often a model did not serve us as it is set up, this time included.
    `pinned`: the caller chose the model himself.
    `jitter` in [0, 1) spreads the waits (full jitter). A named `retry_after` is a lower bound. An
    error that Trimind has no name for ends the job as `internal`, without its text.
    """
    if not isinstance(error, TrimindError):
        return GiveUp(Internal.code, "An unexpected error ended the job; see the server log.")
    if not isinstance(error, TransientError):
        return GiveUp(error.code, error.message)
    asked = error.retry_after or 0.0
    if isinstance(error, CircuitOpen):
        return Again(max(asked, policy.first_wait_s), counts=False)
    if isinstance(error, ProviderMisconfigured) and error.no_credit and pinned:
        return GiveUp(error.code, error.message)  # he can choose another; waiting mends nothing
    if isinstance(error, ProviderMisconfigured):
        # The operator's fault and not the job's: it waits for him, to its deadline.
        wait_s = min(MENDED_MOST_S, MENDED_S * 2.0 ** min(max(0, misconfigured - 1), 32))
        return Again(max(asked, wait_s * (1 + jitter)), counts=False)
    if isinstance(error, UnusableAnswer) and attempts >= UNUSABLE_TRIES - 1:
        return GiveUp(error.code, error.message)  # each is paid for
    if attempts + 1 >= policy.attempts:
        return GiveUp(error.code, error.message)
    return Again(max(asked, backoff(policy, attempts, jitter)), counts=True)


def backoff(policy: Policy, attempts: int, jitter: float) -> float:
    """Full jitter between `first_wait_s` and its double for each attempt, `max_wait_s` at most.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    top = min(policy.max_wait_s, policy.first_wait_s * 2.0 ** min(attempts + 1, 32))
    return policy.first_wait_s + jitter * (top - policy.first_wait_s)
