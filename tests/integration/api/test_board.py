"""/v1/board: for operators."""

import pytest
from sqlalchemy import func, update

from app.ops.board import read_board
from app.schemas.board import BoardBody
from config.settings import get_settings
from models.api_keys import create_key
from models.job_minutes import JobMinute
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.scopes import ADMIN
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.worker.presence import announce_presence

from .rows import change, row
from .test_events import finish

HELLO = {"message": "hello"}
UNKNOWN = "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


@pytest.fixture
def operator(app, backends):
    """A client with a key of the scope `admin`."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, "operator")
        key = create_key(session, user_id, "board", get_settings().pepper, [ADMIN])
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client


@pytest.fixture
def user_key(backends, external_id) -> str:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_key(session, user_id, "test", get_settings().pepper)


def completed(board: BoardBody) -> int:
    return sum(point.completed for point in board.hour)


def unfinished(board: BoardBody) -> int:
    return sum(queue.jobs for queue in board.queues)


def queued_first(board: BoardBody) -> int:
    lanes = {(each.queue, each.lane): each.jobs for each in board.lanes}
    return lanes.get(("llm", "first"), 0)


def test_the_board_is_for_operators(app, user_key):
    headers = {"Authorization": f"Bearer {user_key}"}

    assert app.test_client().get("/v1/board").status_code == 401
    for path in ("/v1/board", "/v1/board/jobs", f"/v1/board/jobs/{UNKNOWN}"):
        refused = app.test_client().get(path, headers=headers)
        assert (refused.status_code, refused.json["code"]) == (403, "insufficient_scope")


def test_a_service_may_see_it(client):
    assert client.get("/v1/board").status_code == 200


def test_it_counts_how_jobs_ended_and_what_is_left(operator, client):
    before = read_board()
    done, stopped, left = (client.post("/v1/jobs", json=HELLO).json["id"] for _ in range(3))
    finish(done)
    with unit_of_work() as session:
        assert cancel(session, stopped)

    after = read_board()

    assert after.today.jobs == before.today.jobs + 2
    assert queued_first(after) == queued_first(before) + 1
    assert completed(after) == completed(before) + 1
    assert sum(point.completed for point in after.day) >= completed(after)
    assert unfinished(after) == unfinished(before) + 1
    assert row(left).slot == "queued"
    assert operator.get("/v1/board").json["object"] == "board"


def test_what_is_stored_by_the_minute_is_counted_once(client):
    job_id = client.post("/v1/jobs", json=HELLO).json["id"]
    finish(job_id)
    before = read_board()
    with unit_of_work() as session:
        old = func.now() - func.make_interval(0, 0, 0, 0, 0, 10)
        session.execute(update(Job).where(Job.id == job_id).values(completed_at=old))

    for _ in range(2):
        assert completed(read_board()) == completed(before)
    with unit_of_work() as session:
        assert session.query(JobMinute).count() > 0


def test_failures_are_counted_by_their_code(operator, client):
    job_id = client.post("/v1/jobs", json=HELLO).json["id"]
    before = read_board().failures.get("no_model", 0)
    finish(job_id)
    change(job_id, status="failed", error={"code": "no_model", "message": "none"})

    assert read_board().failures["no_model"] == before + 1


def test_workers_are_listed_while_they_are_alive(operator):
    announce_presence("llm@board")

    assert "llm@board" in [worker.name for worker in read_board().workers]


def test_jobs_of_all_users_are_found_without_their_texts(operator, client, external_id):
    secret = "a text that operators don't see"
    job = client.post("/v1/jobs", json={"message": secret}).json
    finish(job["id"])

    for q in (job["id"], job["conversation_id"], external_id):
        found = operator.get("/v1/board/jobs", query_string={"q": q})
        assert [each["id"] for each in found.json["data"]] == [job["id"]]
        assert secret not in found.text
    shown = operator.get(f"/v1/board/jobs/{job['id']}").json
    assert shown["user"] == external_id
    assert shown["output"] is None
    assert shown["history"][0]["type"] == "job.queued"
    assert shown["task_ids"]["intent"] == f"{job['id']}.1.intent"


def test_jobs_are_listed_by_status_page_by_page(operator, client):
    made = [client.post("/v1/jobs", json=HELLO).json["id"] for _ in range(3)]

    first = operator.get("/v1/board/jobs?status=queued&limit=2").json
    second = operator.get(f"/v1/board/jobs?status=queued&limit=2&after={first['last_id']}").json

    assert [each["id"] for each in first["data"]] == made[:0:-1]
    assert second["data"][0]["id"] == made[0]
    assert operator.get(f"/v1/board/jobs?after={UNKNOWN}").status_code == 422


def test_a_job_is_cancelled_retried_and_dispatched_again(operator, client):
    job = client.post("/v1/jobs", json=HELLO).json
    path = f"/v1/board/jobs/{job['id']}"
    with unit_of_work() as session:
        lease = session.get(Job, job["id"]).queue_lease_until

    assert operator.post(f"{path}/dispatch").status_code == 200
    earlier = row(job["id"]).queue_lease_until
    assert earlier is not None and lease is not None and earlier < lease  # noqa: PT018
    assert operator.post(f"{path}/cancel").json["status"] == "cancelled"
    assert operator.post(f"{path}/dispatch").json["code"] == "not_dispatchable"
    again = operator.post(f"{path}/retry").json
    assert again["status"] == "queued"
    assert again["user"] == operator.get(path).json["user"]


def test_unknown_jobs_are_unknown_to_operators_too(operator):
    for what in ("", "/cancel", "/retry", "/dispatch"):
        call = operator.post if what else operator.get
        assert call(f"/v1/board/jobs/{UNKNOWN}{what}").status_code == 404
