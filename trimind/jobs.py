"""A job, as the API returns it."""

from typing import Any, Final

Job = dict[str, Any]

FINISHED: Final = ("completed", "failed", "cancelled", "expired")
