"""How many requests one user may send within a minute, by Flask-Limiter."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from flask import Flask, g
from flask_limiter import ExemptionScope, Limiter, RateLimitExceeded, RequestLimit, RouteLimit
from flask_limiter._manager import LimitManager

from app.http.errors import TooManyRequests
from app.http.limit_fields import Standing, show
from app.http.problems import Problem, Refusal
from app.limits.known import requests_per_minute
from app.limits.portions import SCHEME
from app.limits.windows import STRATEGY, WINDOW_S, seconds_until

NAME: Final = "requests"


class _FunctionsLimits(LimitManager):
    """Limits of functions alone: to look for those of a view and its blueprint, of which there are
    none, takes as long as all else that Flask-Limiter does for a request."""

    def resolve_limits(
        self,
        app: Flask,
        endpoint: str | None = None,
        blueprint: str | None = None,
        callable_name: str | None = None,
        in_middleware: bool = False,
        marked_for_limiting: bool = False,
    ) -> tuple[list[Any], ...]:
        """No limits of the application, and those of the function."""
        return [], self.decorated_limits(callable_name or "")

    def exemption_scope(
        self, app: Flask, endpoint: str | None, blueprint: str | None
    ) -> ExemptionScope:
        """Nothing is exempt."""
        return ExemptionScope.NONE


limiter = Limiter(
    lambda: g.user_id,
    request_identifier=lambda: NAME,  # all calls of a user count towards one limit
    storage_uri=f"{SCHEME}://",
    strategy=STRATEGY,
    headers_enabled=False,
)
limiter.limit_manager = _FunctionsLimits([], [], {}, {}, {}, {})


class _UsersLimit(RouteLimit):
    """The limit that the user has at this moment."""

    def __iter__(self) -> Iterator[Any]:
        return iter(_parsed(self.limit_provider()))  # type: ignore[operator]  # a function


@lru_cache(maxsize=1024)
def _parsed(limit: str) -> tuple[Any, ...]:
    """A limit as Flask-Limiter parses it, which it would at each request."""
    return tuple(RouteLimit(limit, limiter=limiter))


def _limit() -> str:
    """The limit in Flask-Limiter's notation; empty: none."""
    limit = requests_per_minute(g.user_id)
    return f"{limit}/minute" if limit else ""


@_UsersLimit(_limit, limiter=limiter)
def _check() -> None:
    """Flask-Limiter checks before what it decorates: here, once the user is known."""


def register_request_limit(app: Flask) -> None:
    """Set up the application's limiter; the first request that needs Redis connects."""
    # So it is not called before each view, when nobody is authenticated yet, nor after it.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)


def count_request() -> None:
    """Count this request towards the limit of `g.user_id`. Raises Refusal, with `Retry-After`, if
    it is one too many."""
    try:
        _check()
    except RateLimitExceeded:
        raise _refusal(limiter.current_limits[0]) from None
    for counted in limiter.current_limits:  # none, if the user has no limit
        show(Standing(NAME, counted.limit.amount, counted.remaining, WINDOW_S, WINDOW_S))


def _refusal(exceeded: RequestLimit) -> Refusal:
    limit, retry_after = exceeded.limit.amount, seconds_until(exceeded.window.reset_time)
    show(Standing(NAME, limit, 0, retry_after, WINDOW_S))
    detail = (
        f"You have sent the {limit} requests that you may send within {WINDOW_S} s; 0 are "
        f"left. Try again in {retry_after} s."
    )
    return Refusal(Problem(TooManyRequests, detail, headers={"Retry-After": str(retry_after)}))
