"""What a user may use: the user's own limits, or else the settings'."""

from config.settings import get_settings
from models.known_limits import known_limits
from models.statement import Runner


def requests_per_minute(user_id: str) -> int:
    """How many requests a user may send within a minute; 0: no limit."""
    own = known_limits().of(user_id).requests_per_minute
    return own if own is not None else get_settings().requests_per_minute


def most_jobs(user_id: str, within: Runner | None = None) -> int:
    """How many unfinished jobs a user may have; 0: no limit. `within` as in `KnownLimits.of`."""
    own = known_limits().of(user_id, within).jobs
    return own if own is not None else get_settings().jobs_per_user


def most_streams(user_id: str) -> int:
    """How many streams and waits a user may have open; 0: half of the slots of each web process."""
    own = known_limits().of(user_id).streams
    return own if own is not None else get_settings().streams_per_user
