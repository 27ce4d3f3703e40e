"""A job as clients see it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from app.api.job_responses import retry_after
from app.schemas.jobs import SHOWN, job_body
from app.schemas.times import timestamp
from models.jobs import Job
from models.stage_record import FIELDS

MOMENT = datetime(2026, 1, 31, 10, 30, tzinfo=timezone(timedelta(hours=1)))


def job(**columns: object) -> Job:
    return Job(
        **{
            "id": "job_1",
            "conversation_id": "conv_1",
            "mind": "sage",
            "status": "in_progress",
            "created_at": MOMENT,
            "expires_at": MOMENT,
            "stages": {},
            "meta": {},
            "input_tokens": 0,
            "output_tokens": 0,
            "tokens_saved": 0,
            "cost_usd": Decimal(0),
            "paid_duplicates": 0,
            **columns,
        }
    )


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (MOMENT, "2026-01-31T09:30:00.000Z"),
        (datetime(2026, 1, 31, 9, 30, 0, 125_999, tzinfo=UTC), "2026-01-31T09:30:00.125Z"),
    ],
)
def test_a_timestamp_is_rfc_3339_in_utc(moment, text):
    assert timestamp(moment) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [(Decimal(0), "0.000000"), (Decimal("0.0000015"), "0.000002"), (Decimal("12.5"), "12.500000")],
)
def test_a_cost_is_a_string_with_six_decimals(cost, text):
    assert job_body(job(cost_usd=cost)).usage.cost_usd == text


def test_a_stage_that_runs_or_waits_has_no_time_yet():
    lines = {
        "intent": {"status": "completed", "ms": 3},
        "compress": {"status": "running", "ms": 9},
        "generate": {"status": "pending", "ms": 9},
    }

    stages = job_body(job(stages=lines)).stages

    assert [(stage.name, stage.status, stage.ms) for stage in stages] == [
        ("intent", "completed", 3),
        ("compress", "running", None),
        ("generate", "pending", None),
        ("persist", "pending", None),
    ]


@pytest.mark.parametrize(
    ("status", "error", "shown"),
    [
        ("cancelled", None, ["completed", "pending", "pending"]),
        ("expired", {"code": "deadline_exceeded", "stage": "compress"}, ["completed", "pending"]),
        ("failed", {"code": "poison", "stage": "compress"}, ["completed", "failed", "pending"]),
        ("failed", {"code": "deadline_exceeded", "stage": "generate"}, ["completed", "pending"]),
        ("in_progress", None, ["completed", "running", "pending"]),
    ],
)
def test_nothing_runs_in_a_job_that_has_ended(status, error, shown):
    lines = {"intent": {"status": "completed", "ms": 3}, "compress": {"status": "running"}}
    ended = job(status=status, stages=lines, error=error and {"message": "x", **error})

    statuses = [stage.status for stage in job_body(ended).stages]

    assert statuses[: len(shown)] == shown
    assert "running" not in statuses or status == "in_progress"


@pytest.mark.parametrize(
    ("status", "output"),
    [("completed", "whole"), ("cancelled", "whole"), ("failed", None), ("in_progress", None)],
)
def test_an_answer_is_shown_of_a_job_that_is_completed_or_cancelled(status, output):
    assert job_body(job(status=status, answer="whole", partial="wh")).output == output


def test_what_a_stage_decided_stands_in_its_entry():
    line = {"ms": 3, "cached": False, "intent": "math", "status": "degraded", "confidence": 0.5}

    entry = job_body(job(stages={"intent": line})).stages[0].model_dump()

    assert list(entry) == ["name", "status", "ms", "intent", "confidence", "cached"]


def test_a_field_that_is_not_named_is_not_shown():
    kept_inside = {"began", "ended", "text"}
    whole = {name: 7 for name in FIELDS if name != "status"} | {"status": "completed"}
    stored = {**whole, "name": "intent", "of_another_release": "secret"}

    entry = job_body(job(stages={"intent": stored})).stages[0].model_dump()

    assert list(entry) == ["name", "status", "ms", *SHOWN]
    assert set(FIELDS) == {"status", "ms", *SHOWN} | kept_inside


def test_an_error_has_its_names_in_order():
    error = {"code": "poison", "stage": "generate", "message": "Died.", "attempts": 5}

    shown = job_body(job(status="failed", error=error)).error

    assert shown is not None
    assert list(shown.model_dump()) == ["code", "message", "stage", "attempts"]


@pytest.mark.parametrize(("age_s", "after_s"), [(0, 1), (-5, 1), (9, 1), (10, 3), (61, 10)])
def test_an_older_job_is_asked_for_less_often(age_s, after_s):
    assert retry_after(timedelta(seconds=age_s)) == after_s
