"""The header fields of limits: draft-ietf-httpapi-ratelimit-headers-10.

`RateLimit-Policy: "requests";q=60000;w=60` is the limit; `RateLimit: "requests";r=59990;t=60` says
what is left of it, and for how many seconds that holds. After a refusal, `t` is `Retry-After`.
"""

from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, g

POLICY: Final = "RateLimit-Policy"
LEFT: Final = "RateLimit"
# As OpenAI names what is left of the limit of requests.
OPENAI_LIMIT: Final = "x-ratelimit-limit-requests"
OPENAI_LEFT: Final = "x-ratelimit-remaining-requests"
OPENAI_RESET: Final = "x-ratelimit-reset-requests"
CONCURRENT: Final = "concurrent-requests"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit.

    Args:
        name: the limit's.
        quota: the most that a user may have.
        left: of these, how many now.
        seconds: for how long this holds.
        window_s: within how many seconds the quota is counted; None: at any moment.
        unit: of the quota, unless it counts requests.
    """

    name: str
    quota: int
    left: int
    seconds: int
    window_s: int | None = None
    unit: str | None = None

    def policy(self) -> str:
        """The item of `RateLimit-Policy`."""
        unit = f';qu="{self.unit}"' if self.unit else ""
        window = f";w={self.window_s}" if self.window_s else ""
        return f'"{self.name}";q={self.quota}{unit}{window}'

    def rest(self) -> str:
        """The item of `RateLimit`."""
        return f'"{self.name}";r={self.left};t={self.seconds}'


def show(standing: Standing) -> None:
    """Send a standing with the response to this request."""
    standings: dict[str, Standing] | None = g.get("standings")
    if standings is None:
        standings = g.standings = {}
    standings[standing.name] = standing


def shown(name: str) -> Standing | None:
    """The standing that is sent with the response to this request, if any, of the limit's name."""
    standings: dict[str, Standing] = g.get("standings") or {}
    return standings.get(name)


def register_limit_fields(app: Flask) -> None:
    """Send what is left of each limit that a request counts towards, or that has refused it."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    standings: dict[str, Standing] | None = g.get("standings")
    if standings:
        response.headers[POLICY] = ", ".join(each.policy() for each in standings.values())
        response.headers[LEFT] = ", ".join(each.rest() for each in standings.values())
    return response
