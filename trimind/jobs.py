"""A job, as the API answers it."""

from typing import Any, Final

Job = dict[str, Any]

FINISHED: Final = ("completed", "failed", "cancelled", "expired")
