"""How many requests one user may send within a minute, by Flask-Limiter."""

from functools import lru_cache
from typing import Final

from flask import Flask, g
from flask_limiter import Limiter
from limits import RateLimitItemPerMinute

from app.http.errors import TooManyRequests
from app.http.limit_fields import Standing, show
from app.http.problems import Problem, Refusal
from app.limits.known import requests_per_minute
from app.limits.portions import SCHEME
from app.limits.windows import STRATEGY, WINDOW_S, seconds_until

NAME: Final = "requests"

# Its hooks and decorators look for the limits of a view and of its blueprint in each request, which
# takes ten times as long as counting. Here every view has the limit of its user.
limiter: Final = Limiter(
    lambda: g.user_id, storage_uri=f"{SCHEME}://", strategy=STRATEGY, headers_enabled=False
)


def register_request_limit(app: Flask) -> None:
    """Set up the application's limiter; the first request that needs Redis connects."""
    # So it is not called before each view, when nobody is authenticated yet, nor after it.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)


def count_request() -> None:
    """Count this request towards the limit of `g.user_id`. Raises Refusal, with `Retry-After`, if
    it is one too many."""
    limit = requests_per_minute(g.user_id)
    if not limit:
        return
    item, windows = _per_minute(limit), limiter.limiter
    counted = windows.hit(item, NAME, g.user_id)
    stats = windows.get_window_stats(item, NAME, g.user_id)
    if not counted:
        raise _refusal(limit, seconds_until(stats.reset_time))
    show(Standing(NAME, limit, stats.remaining, WINDOW_S, WINDOW_S))


@lru_cache(maxsize=1024)
def _per_minute(limit: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(limit)


def _refusal(limit: int, retry_after: int) -> Refusal:
    show(Standing(NAME, limit, 0, retry_after, WINDOW_S))
    detail = (
        f"You have sent the {limit} requests that you may send within {WINDOW_S} s; 0 are "
        f"left. Try again in {retry_after} s."
    )
    return Refusal(Problem(TooManyRequests, detail, headers={"Retry-After": str(retry_after)}))
