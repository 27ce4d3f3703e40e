"""Decide whether to retry, as a pure function. The stage carries the decision out."""

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

# The wait before a misconfigured provider is called again doubles from the first to the longest;
# jitter adds up to as much again.
MISCONFIGURED_WAIT_S: Final = 15.0
MISCONFIGURED_MAX_WAIT_S: Final = 150.0
UNUSABLE_TRIES: Final = 2


@dataclass(frozen=True)
class Again:
    """Wait `delay_s`, then run the stage again. `counts`: whether this uses up an attempt."""

    delay_s: float
    counts: bool


@dataclass(frozen=True)
class GiveUp:
    """Fail the job with this code and message."""

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
    """Decide what follows a failed run of a stage.

    Args:
        error: its `retry_after` is a lower bound of the wait. One that is not a TrimindError fails
            the job as `internal`, without its text.
        policy: the stage's policy.
        attempts: the number of earlier attempts.
        jitter: in [0, 1), spreads the waits (full jitter).
        misconfigured: how often a model was found misconfigured, including this time.
        pinned: whether the caller chose the model.
    """
    if not isinstance(error, TrimindError):
        return GiveUp(Internal.code, "An unexpected error ended the job; see the server log.")
    if not isinstance(error, TransientError):
        return GiveUp(error.code, error.message)
    asked = error.retry_after or 0.0
    if isinstance(error, CircuitOpen):
        return Again(max(asked, policy.first_wait_s), counts=False)
    if isinstance(error, ProviderMisconfigured) and error.no_credit and pinned:
        return GiveUp(error.code, error.message)  # waiting won't help; the caller can choose again
    if isinstance(error, ProviderMisconfigured):
        # Only the operator can fix this: the job waits until its deadline.
        doublings = min(max(0, misconfigured - 1), 32)
        wait_s = min(MISCONFIGURED_MAX_WAIT_S, MISCONFIGURED_WAIT_S * 2.0**doublings)
        return Again(max(asked, wait_s * (1 + jitter)), counts=False)
    if isinstance(error, UnusableAnswer) and attempts >= UNUSABLE_TRIES - 1:
        return GiveUp(error.code, error.message)  # every attempt costs money
    if attempts + 1 >= policy.attempts:
        return GiveUp(error.code, error.message)
    return Again(max(asked, backoff(policy, attempts, jitter)), counts=True)


def backoff(policy: Policy, attempts: int, jitter: float) -> float:
    """Return a wait with full jitter: from `first_wait_s` up to its double per attempt, at most
    `max_wait_s`.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    top = min(policy.max_wait_s, policy.first_wait_s * 2.0 ** min(attempts + 1, 32))
    return policy.first_wait_s + jitter * (top - policy.first_wait_s)
