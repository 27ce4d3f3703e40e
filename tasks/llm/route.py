"""Try the models of a route in order, each under its provider's breaker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import structlog
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from models.errors import (
    CircuitOpen,
    ContextTooLong,
    NoModel,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    TransientError,
    TrimindError,
)
from tasks.bill import Bill
from tasks.llm.gateway import Completion
from tasks.llm.models import Target, target
from tasks.policies import Policy
from tasks.resilience.breaker import circuit_breaker
from tasks.resilience.misconfigured import reporting_misconfigured

log = structlog.get_logger(__name__)

Ask = Callable[[Target], Completion]


@dataclass(frozen=True)
class Answered:
    """The model that answered, and those that failed before it, each with its error code."""

    model: str
    completion: Completion
    tried: list[dict[str, str]] = field(default_factory=list)


def complete_with_fallback(
    models: tuple[str, ...],
    ask: Ask,
    policy: Policy,
    user_id: str = "",
    bill: Bill | None = None,
) -> Answered:
    """Call the models of a route in order until one answers.

    If none does, raises the most promising error: the transient one with the shortest wait (an open
    breaker only if nothing else failed), else ContextTooLong, else ProviderRejected.

    Args:
        models: the names of the models.
        ask: makes the call.
        policy: the stage's policy.
        user_id: the user who makes the call.
        bill: takes the models that failed.
    """
    failed: list[tuple[str, TrimindError]] = []
    for name in models:
        try:
            with reporting_misconfigured(name):
                completion = _ask(target(name), ask, policy, user_id)
        except (TransientError, ProviderRejected, ContextTooLong) as error:
            log.warning("model failed", model=name, code=error.code, error=str(error))
            failed.append((name, error))
            if bill is not None:
                bill.skipped(name, error.code)
        else:
            return Answered(name, completion, [{"model": m, "code": e.code} for m, e in failed])
    raise _most_hopeful([error for _, error in failed])


def _ask(to: Target, ask: Ask, policy: Policy, user_id: str) -> Completion:
    with circuit_breaker(to.provider, policy.breaker, user_id):
        answer: Completion = _quick(policy.quick_tries)(ask, to)
    return answer


@lru_cache
def _quick(tries: int) -> Retrying:
    """What tries so often. Threads may share it: tenacity keeps its state by thread."""
    return Retrying(
        retry=retry_if_exception(_is_worth_a_quick_try),
        stop=stop_after_attempt(tries),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )


def _is_worth_a_quick_try(error: BaseException) -> bool:
    """Whether to retry immediately, which is pointless if the provider has named a wait."""
    return isinstance(error, ProviderUnavailable) and not error.retry_after


def _most_hopeful(errors: list[TrimindError]) -> TrimindError:
    transient = [e for e in errors if isinstance(e, TransientError)]
    waiting = [e for e in transient if not isinstance(e, ProviderMisconfigured)]
    failed = [e for e in waiting if not isinstance(e, CircuitOpen)]
    if transient:
        return min(failed or waiting or transient, key=lambda e: e.retry_after or 0.0)
    if not errors:
        return NoModel("This server has no API key for any model of the route.")
    return next((e for e in errors if isinstance(e, ContextTooLong)), errors[-1])
