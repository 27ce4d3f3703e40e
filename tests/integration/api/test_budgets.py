"""Budgets as callers see them: 402 with what is left, and nothing overspent by the real server."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import text

from models.session import unit_of_work
from models.users import get_or_create_user

from ..budgets import MOST, budgeted, give, store, used, variables

Serve = Callable[..., httpx.Client]
HELLO = {"message": "Hello"}
SPENT = """
INSERT INTO spend_months (user_id, month, settled_usd)
VALUES (:user, date_trunc('month', timezone('UTC', now())), :usd)
"""


@pytest.fixture
def budget_of(serve: Serve) -> Callable[[Decimal], httpx.Client]:
    """`budget_of(limit)`: a client for a server on which every user has this budget."""

    def start(limit: Decimal) -> httpx.Client:
        with budgeted(limit):
            store()
        return serve(**variables(limit))

    return start


Budgeted = Callable[[Decimal], httpx.Client]


def accepted(external_id: str) -> int:
    with unit_of_work() as session:
        counted = text(
            "SELECT count(*) FROM jobs JOIN users ON users.id = user_id WHERE external_id = :user"
        )
        return session.execute(counted, {"user": external_id}).scalar_one()


def test_two_hundred_submits_at_once_do_not_overspend(
    budget_of: Budgeted, external_id: str
) -> None:
    affordable = 37
    client = budget_of(MOST * affordable)

    def submit(number: int) -> int:
        headers = {"Idempotency-Key": f"key-{number}"} if number % 2 else {}
        while True:
            answer = client.post("/v1/jobs", json=HELLO, headers=headers)
            if answer.status_code != 503:  # on a busy machine, no connection was free in time
                return answer.status_code
            assert answer.json()["code"] == "database_unavailable"

    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(submit, range(200)))

    assert {status: statuses.count(status) for status in set(statuses)} == {
        202: affordable,
        402: 200 - affordable,
    }
    assert accepted(external_id) == affordable
    assert used(external_id) == (affordable * MOST, 0)


def test_a_refusal_says_what_is_left_and_when_it_resets(budget_of: Budgeted) -> None:
    client = budget_of(MOST * 3 / 2)
    client.post("/v1/jobs", json=HELLO)

    refused = client.post("/v1/jobs", json=HELLO)

    assert refused.status_code == 402
    problem = refused.json()
    assert (problem["code"], problem["title"]) == (
        "budget_exceeded",
        HTTPStatus.PAYMENT_REQUIRED.phrase,
    )
    budget = client.get("/v1/usage").json()["budget"]
    assert budget == {
        "limit_usd": f"{MOST * 3 / 2:.6f}",
        "settled_usd": "0.000000",
        "reserved_usd": f"{MOST:.6f}",
        "left_usd": f"{MOST / 2:.6f}",
        "resets_at": budget["resets_at"],
    }
    limit, left = (int(usd * 1_000_000) for usd in (MOST * 3 / 2, MOST / 2))
    assert f'"spend";q={limit};qu="micro-usd"' in refused.headers["RateLimit-Policy"]
    assert f'"spend";r={left};t=5' in refused.headers["RateLimit"]
    assert refused.headers["Retry-After"] == "5"  # the first may end, and cost less
    assert f"${budget['left_usd']} is left" in problem["detail"]
    assert budget["resets_at"][:10] in problem["detail"]


def test_what_can_only_be_left_next_month_is_said_to_be_then(
    budget_of: Budgeted, external_id: str
) -> None:
    client = budget_of(MOST)
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        session.execute(text(SPENT), {"user": user, "usd": MOST})

    refused = client.post("/v1/jobs", json=HELLO)

    assert refused.status_code == 402
    resets_at = datetime.fromisoformat(client.get("/v1/usage").json()["budget"]["resets_at"])
    delay = int(refused.headers["Retry-After"])
    assert abs((resets_at - datetime.now(UTC)).total_seconds() - delay) < 60
    assert f'"spend";r=0;t={delay}' in refused.headers["RateLimit"]


def test_what_can_never_be_left_is_not_to_be_tried_again(budget_of: Budgeted) -> None:
    refused = budget_of(MOST / 2).post("/v1/jobs", json=HELLO)

    assert (refused.status_code, "Retry-After" in refused.headers) == (402, False)
    assert f'"spend";r={int(MOST / 2 * 1_000_000)};t=' in refused.headers["RateLimit"]


def test_a_cancelled_job_s_money_can_be_spent_again(budget_of: Budgeted) -> None:
    client = budget_of(MOST * 3 / 2)
    job_id = client.post("/v1/jobs", json=HELLO).json()["id"]
    assert client.post("/v1/jobs", json=HELLO).status_code == 402
    client.post(f"/v1/jobs/{job_id}/cancel")
    assert client.post("/v1/jobs", json=HELLO).status_code == 202


def test_a_refused_key_can_be_used_again(budget_of: Budgeted) -> None:
    client, key = budget_of(MOST * 3 / 2), {"Idempotency-Key": "a-key"}
    job_id = client.post("/v1/jobs", json=HELLO).json()["id"]
    assert client.post("/v1/jobs", json=HELLO, headers=key).status_code == 402
    client.post(f"/v1/jobs/{job_id}/cancel")
    first, again = (client.post("/v1/jobs", json=HELLO, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.text) == (202, 202, first.text)
    assert client.get("/v1/usage").json()["budget"]["reserved_usd"] == f"{MOST:.6f}"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", HELLO),
        ("/v1/broadcasts", HELLO),
        ("/api/chat", HELLO),
        ("/api/chat", {**HELLO, "sessionId": "s-1"}),
    ],
)
def test_every_way_to_submit_needs_money(
    budget_of: Budgeted, external_id: str, path: str, body: Mapping[str, str]
) -> None:
    client = budget_of(MOST / 2)
    assert client.post(path, json=body).status_code == 402
    assert (accepted(external_id), used(external_id)) == (0, None)


def test_a_service_s_call_needs_its_user_s_money(budget_of: Budgeted, external_id: str) -> None:
    body = {"messageId": "m", "sessionId": "s", "userId": external_id, **HELLO}
    client = budget_of(MOST * 3 / 2)
    for _ in range(2):  # the second is the same job
        assert client.post("/api/v1/jobs/process-ai-job", json=body).status_code == 202
    refused = client.post("/api/v1/jobs/process-ai-job", json={**body, "messageId": "n"})
    assert (refused.status_code, used(external_id)) == (402, (MOST, 0))


def test_openai_s_package_raises_its_own_error_and_does_not_retry(
    budget_of: Budgeted, external_id: str
) -> None:
    client = budget_of(MOST / 2)
    sent: list[httpx.Request] = []
    client.event_hooks["request"].append(sent.append)
    theirs = openai.OpenAI(
        base_url="http://web/v1",
        api_key=client.headers["Authorization"].removeprefix("Bearer "),
        http_client=client,
    )
    with pytest.raises(openai.RateLimitError) as raised:
        theirs.responses.create(model="auto", input="Hello", background=True)
    assert (raised.value.code, raised.value.type) == ("insufficient_quota", "insufficient_quota")
    assert (len(sent), accepted(external_id)) == (1, 0)
    assert '"spend";r=' in raised.value.response.headers["RateLimit"]


def test_one_user_s_empty_budget_stops_no_other(budget_of: Budgeted, external_id: str) -> None:
    client = budget_of(MOST * 3 / 2)
    other = {"X-Trimind-User": f"other-{external_id}"}
    client.post("/v1/jobs", json=HELLO)
    assert client.post("/v1/jobs", json=HELLO).status_code == 402
    assert client.post("/v1/jobs", json=HELLO, headers=other).status_code == 202


def test_before_any_worker_has_stored_prices_a_budget_can_t_be_kept(
    serve: Serve, external_id: str
) -> None:
    with unit_of_work() as session:
        session.execute(text("DELETE FROM model_prices"))
    client = serve(**variables(Decimal("0.5")))
    refused = client.post("/v1/jobs", json=HELLO)
    assert (refused.status_code, refused.json()["code"]) == (503, "prices_unknown")
    assert int(refused.headers["Retry-After"]) > 0
    with budgeted():
        store()
    assert client.post("/v1/jobs", json=HELLO).status_code == 202


def test_a_user_s_own_budget_holds_within_seconds_and_for_no_other(
    budget_of: Budgeted, external_id: str, until: Callable[..., None]
) -> None:
    client, other = budget_of(Decimal(0)), {"X-Trimind-User": f"other-{external_id}"}
    assert client.post("/v1/jobs", json=HELLO).status_code == 202

    def budget() -> Any:
        return client.get("/v1/usage").json()["budget"]

    assert budget() is None
    give(external_id, MOST * 3 / 2)
    until(budget)
    assert client.post("/v1/jobs", json=HELLO).status_code == 202
    refused = client.post("/v1/jobs", json=HELLO)
    assert (refused.status_code, used(external_id)) == (402, (MOST, 0))
    assert f"Of your ${budget()['limit_usd']}" in refused.json()["detail"]
    assert budget()["limit_usd"] == f"{MOST * 3 / 2:.6f}"
    assert client.post("/v1/jobs", json=HELLO, headers=other).status_code == 202

    give(external_id, Decimal(0))
    until(lambda: budget() is None)
    assert client.post("/v1/jobs", json=HELLO).status_code == 202
    assert used(external_id) == (MOST, 0)
