"""Jobs without a database, and OpenAI's own package."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from models.jobs import Job

ULID = "01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
MOMENT = datetime(2026, 1, 31, 9, 30, 0, 125_000, tzinfo=UTC)

MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def job() -> MakeJob:
    """`job(status=…, …)`: a job with these columns."""

    def make(**columns: Any) -> Job:
        return Job(
            **{
                "id": f"job_{ULID}",
                "user_id": "user_1",
                "conversation_id": "conv_1",
                "mind": "sage",
                "status": "in_progress",
                "created_at": MOMENT,
                "expires_at": MOMENT,
                "completed_at": MOMENT,
                "stages": {},
                "options": {},
                "meta": {},
                "input_tokens": 7,
                "output_tokens": 3,
                "tokens_saved": 0,
                "cost_usd": Decimal(0),
                "paid_duplicates": 0,
                **columns,
            }
        )

    return make


@pytest.fixture(scope="session")
def theirs() -> ModuleType:
    """`theirs.read(body)`, …: what the `openai` package makes of it. Only tests load it."""
    from . import theirs

    return theirs
