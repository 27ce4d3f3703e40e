"""GET /v1/usage: bounded, grouped, and each user's own."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, update

from models.jobs import Job
from models.session import unit_of_work
from models.usage import UsageDay

HELLO = {"message": "Hello"}


def today() -> date:
    """The current day, which a long run of tests may begin before."""
    return datetime.now(UTC).date()


@pytest.fixture
def job_id(client: FlaskClient) -> str:
    """A job that was cancelled after it had cost something."""
    job_id: str = client.post("/v1/jobs", json=HELLO).json["id"]
    with unit_of_work() as session:
        spent = {"cost_usd": Decimal("0.5"), "input_tokens": 7, "route": {"model": "openai/a"}}
        session.execute(update(Job).where(Job.id == job_id).values(**spent))
    client.post(f"/v1/jobs/{job_id}/cancel")
    return job_id


def test_it_has_what_has_just_ended(client: FlaskClient, job_id: str) -> None:
    numbers = {
        "jobs": 1,
        "input_tokens": 7,
        "output_tokens": 0,
        "tokens_saved": 0,
        "cost_usd": "0.500000",
        "saved_usd": "0.000000",
        "paid_duplicates": 0,
    }
    day = {"day": today().isoformat(), "model": None, "mind": None}
    assert client.get("/v1/usage").json == {
        "object": "usage",
        "first_day": today().replace(day=1).isoformat(),
        "last_day": today().isoformat(),
        "group_by": ["day"],
        "data": [numbers | day],
        "total": numbers,
        "budget": None,
    }


def test_it_is_grouped_as_asked(client: FlaskClient, job_id: str) -> None:
    client.delete(f"/v1/conversations/{client.get(f'/v1/jobs/{job_id}').json['conversation_id']}")
    usage = client.get("/v1/usage?group_by=model,mind").json
    (row,) = usage["data"]
    assert (usage["group_by"], row["day"], row["model"], row["mind"]) == (
        ["model", "mind"],
        None,
        "openai/a",
        "sage",
    )
    assert client.get("/v1/usage?group_by=").json["data"][0]["jobs"] == 1


def test_a_stranger_s_is_empty(client: FlaskClient, stranger: FlaskClient, job_id: str) -> None:
    usage = stranger.get("/v1/usage").json
    assert (usage["data"], usage["total"]["jobs"]) == ([], 0)


def test_an_other_time_has_none(client: FlaskClient, job_id: str) -> None:
    assert client.get("/v1/usage?from=2026-01-01&to=2026-01-31").json["data"] == []


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("from=2026-01-01&to=2027-01-01", ("2026-01-01", "2027-01-01")),
        ("from=2001-01-01", ("2001-01-01", "2002-01-01")),
        ("from=2999-01-01", ("2999-01-01", "2999-01-01")),
        ("to=2026-02-15", ("2026-02-01", "2026-02-15")),
        ("to=2026-02-15&group_by=day,day", ("2026-02-01", "2026-02-15")),
    ],
)
def test_a_day_that_is_not_given_is_chosen(
    client: FlaskClient, query: str, days: tuple[str, str]
) -> None:
    usage = client.get(f"/v1/usage?{query}").json
    assert ((usage["first_day"], usage["last_day"]), usage["group_by"]) == (days, ["day"])


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("from=today", "from", "invalid"),
        ("from=20260101", "from", "invalid"),
        ("from=1700000000", "from", "invalid"),
        ("from=2026-02-30", "from", "invalid"),
        ("from=1999-12-31", "from", "invalid"),
        ("to=2026-1-1", "to", "invalid"),
        ("to=%002026-01-01", "to", "invalid"),
        ("from=2026-02-01&to=2026-01-01", "to", "contradiction"),
        ("from=2026-01-01&to=2027-01-02", "to", "contradiction"),
        ("from=2000-01-01&to=2999-12-31", "to", "contradiction"),
        ("group_by=user", "group_by", "not_allowed"),
        ("group_by=day,", "group_by", "not_allowed"),
        ("user=me", "user", "unknown_field"),
    ],
)
def test_a_wrong_query_is_refused_by_field(
    client: FlaskClient, query: str, field: str, code: str
) -> None:
    refused = client.get(f"/v1/usage?{query}")
    assert refused.status_code == 422
    assert [(error["field"], error["code"]) for error in refused.json["errors"]] == [(field, code)]


def test_more_rows_than_are_sent_are_refused(client: FlaskClient, job_id: str) -> None:
    with unit_of_work() as session:
        job = session.get_one(Job, job_id)
        sums = dict.fromkeys(
            ("jobs", "input_tokens", "output_tokens", "tokens_saved", "paid_duplicates"), 1
        )
        rows = [
            {
                "user_id": job.user_id,
                "day": date(2026, 1, 1) + timedelta(days=number % 300),
                "model": f"openai/{number // 300}",
                "mind": "sage",
                "cost_usd": 1,
                "saved_usd": 1,
                **sums,
            }
            for number in range(1001)
        ]
        session.execute(insert(UsageDay), rows)
    days = "from=2026-01-01&to=2026-10-31"
    refused = client.get(f"/v1/usage?{days}&group_by=day,model")
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "too_many")
    usage = client.get(f"/v1/usage?{days}&group_by=day").json
    assert (len(usage["data"]), usage["total"]["jobs"]) == (300, 1001)
    assert usage["total"]["cost_usd"] == "1001.000000"
