"""When a call is made again, and after how long."""

import random
import time
from http import HTTPStatus
from typing import Final

from trimind.errors import ApiError, TrimindClientError, Unreachable

# The server, or a proxy before it, is overloaded, being redeployed, or without its database.
AGAIN: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
# The first of two equal requests is still being processed.
IN_PROGRESS: Final = "idempotency_in_progress"
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 8.0
# If the server names more, the caller decides.
LONGEST_RETRY_AFTER_S: Final = 30.0
# A web process that is being redeployed is back within this time.
REDEPLOYED_S: Final = 30.0


class Patience:
    """How often, or for how long, failures are tried again.

    Args:
        retries: this often, however long it takes.
        lasting_s: more often than that until so many seconds after the last success.
    """

    def __init__(self, retries: int, lasting_s: float = 0.0) -> None:
        self._retries = retries
        self._lasting_s = lasting_s
        self.renew()

    def renew(self) -> None:
        """Begin again, since something succeeded."""
        self._failures = 0
        self._until = time.monotonic() + self._lasting_s

    def pause_after(self, error: TrimindClientError) -> float:
        """The seconds to wait before trying again. Raises the error if that would not help."""
        self._failures += 1
        pause = _pause(error, self._failures)
        late = time.monotonic() + pause > self._until
        if not _may_pass(error) or pause > LONGEST_RETRY_AFTER_S:
            raise error
        if self._failures > self._retries and late:
            raise error
        return pause


def _may_pass(error: TrimindClientError) -> bool:
    if isinstance(error, ApiError):
        return error.status in AGAIN or error.code == IN_PROGRESS
    return isinstance(error, Unreachable) and error.passing


def _pause(error: TrimindClientError, failures: int) -> float:
    if isinstance(error, ApiError) and error.retry_after is not None:
        return error.retry_after
    longest = min(FIRST_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S)
    return random.uniform(longest / 2, longest)  # noqa: S311
