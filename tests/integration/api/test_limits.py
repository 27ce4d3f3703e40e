"""How much one user may use, and what a refusal says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from redis import Redis

from app.cli import main
from models.known_limits import known_limits
from models.limits import change_limits
from models.session import unit_of_work
from models.users import get_or_create_user
from tests.integration.refusing_redis import FULL, refusing

Limit = Callable[..., None]


@pytest.fixture
def limit(backends, external_id) -> Limit:
    """`limit(jobs=5)`: this test's user has these limits."""

    def change(**limits: int | None) -> None:
        with unit_of_work() as session:
            change_limits(session, get_or_create_user(session, external_id), limits)
        known_limits.cache_clear()  # this process knows at once; others within seconds

    return change


@pytest.fixture
def redis(backends):
    with Redis.from_url(backends["REDIS_URL"]) as client:
        yield client


def submit(client: FlaskClient | httpx.Client, **headers: str):
    return client.post("/v1/jobs", json={"message": "hello"}, headers=headers)


def statuses(client: httpx.Client, count: int, threads: int = 32) -> list[int]:
    """What so many submits answer, `threads` at once."""

    def status(_: int) -> int:
        while (answer := submit(client)).status_code == 503:
            # On a busy machine, no connection was free in time.
            assert answer.json()["code"] == "database_unavailable"
        return answer.status_code

    with ThreadPoolExecutor(threads) as pool:
        return sorted(pool.map(status, range(count)))


def test_an_answer_says_how_many_requests_are_left(client) -> None:
    first, second = (client.get("/v1/jobs").headers for _ in range(2))

    assert first["RateLimit-Policy"] == '"requests";q=60000;w=60'
    assert first["RateLimit"] == '"requests";r=59999;t=60'
    assert second["RateLimit"] == '"requests";r=59998;t=60'
    assert "Retry-After" not in first


def test_a_request_too_many_is_refused_and_another_users_is_not(client, stranger, limit) -> None:
    limit(requests_per_minute=3)

    left = [client.get("/v1/jobs").headers["RateLimit"] for _ in range(3)]
    refused = client.get("/v1/jobs")

    assert left == [f'"requests";r={rest};t=60' for rest in (2, 1, 0)]
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert 1 <= (delay := int(refused.headers["Retry-After"])) <= 60
    assert refused.headers["RateLimit"] == f'"requests";r=0;t={delay}'
    assert refused.headers["RateLimit-Policy"] == '"requests";q=3;w=60'
    assert "the 3 requests" in refused.json["detail"]
    assert "0 are left" in refused.json["detail"]
    assert stranger.get("/v1/jobs").status_code == 200


def test_a_limit_that_changes_applies_at_once(client, limit) -> None:
    answers = []
    for most in (3, 5, 0, 3):
        limit(requests_per_minute=most)
        answers.append(client.get("/v1/jobs"))

    assert [answer.status_code for answer in answers] == [200] * 4
    left = [answer.headers.get("RateLimit") for answer in answers]
    assert left == [*(f'"requests";r={rest};t=60' for rest in (2, 4)), None, '"requests";r=1;t=60']
    policies = [answer.headers.get("RateLimit-Policy") for answer in answers]
    assert policies == [f'"requests";q={most};w=60' if most else None for most in (3, 5, 0, 3)]


def test_all_calls_of_a_user_count_towards_one_limit(client, limit) -> None:
    limit(requests_per_minute=3)

    paths = ("/v1/jobs", "/v1/minds", "/v1/conversations", "/v1/usage")

    assert [client.get(path).status_code for path in paths] == [200, 200, 200, 429]


def test_no_field_is_flask_limiters_own(client, limit) -> None:
    limit(requests_per_minute=1)

    for status in (200, 429):
        answer = client.get("/v1/jobs")
        assert answer.status_code == status
        assert "X-RateLimit" not in str(answer.headers)


def test_no_limit_sends_no_fields(client, limit) -> None:
    limit(requests_per_minute=0)

    headers = client.get("/v1/jobs").headers

    assert not {"RateLimit", "RateLimit-Policy"} & {*headers.keys()}


def test_openai_clients_are_refused_in_their_format(client, limit) -> None:
    limit(requests_per_minute=1)
    client.get("/v1/jobs")

    refused = client.post("/v1/responses", json={"model": "auto", "input": "hello"})

    assert (refused.status_code, refused.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["RateLimit"].startswith('"requests";r=0;t=')
    assert int(refused.headers["Retry-After"]) >= 1
    theirs = [refused.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining")]
    assert theirs == ["1", "0"]
    reset = refused.headers["x-ratelimit-reset-requests"]
    assert reset == f"{refused.headers['Retry-After']}s"


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"jobs": 1}, "too_many_jobs"), ({"streams": 1}, "too_many_streams_of_yours")],
)
def test_openai_clients_are_told_of_every_limit(client, limit, limits, code) -> None:
    limit(**limits)
    path = f"/v1/jobs/{submit(client).json['id']}/events"
    asked = {"model": "auto", "input": "hello", "background": "jobs" in limits}

    with ExitStack() as streams:
        streams.enter_context(client.get(path, buffered=False))
        refused = client.post("/v1/responses", json=asked)

    error = refused.json["error"]
    assert (refused.status_code, error["code"]) == (429, code)
    assert "0 are left" in error["message"]
    assert refused.headers["Retry-After"] == "5"
    assert f'"{next(iter(limits))}";r=0;t=5' in refused.headers["RateLimit"]
    assert refused.headers["x-ratelimit-remaining-requests"].isdigit()


def test_a_script_that_redis_has_forgotten_is_loaded_again(client, limit, redis) -> None:
    limit(requests_per_minute=3)
    assert client.get("/v1/jobs").status_code == 200
    redis.script_flush()
    assert [client.get("/v1/jobs").status_code for _ in range(3)] == [200, 200, 429]


def test_the_replaced_systems_calls_count_for_the_user_whom_they_name(client, limit, external_id):
    limit(requests_per_minute=1)
    sent = {"messageId": "m", "sessionId": "s", "userId": external_id, "message": "hello"}

    answers = [client.post("/api/v1/jobs/process-ai-job", json=sent) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 429]
    assert answers[1].json["code"] == "too_many_requests"


@pytest.mark.no_cover  # what is tested runs in other processes
def test_processes_share_what_is_left(serve, servers) -> None:
    one, other = (serve(REQUESTS_PER_MINUTE="20") for _ in range(2))

    answers = [client.get("/v1/jobs").status_code for _ in range(15) for client in (one, other)]

    assert answers == [200] * 20 + [429] * 10


@pytest.mark.no_cover
def test_without_redis_each_process_counts_by_itself(serve, servers, dead_address) -> None:
    web = serve(REQUESTS_PER_MINUTE="5", REDIS_URL=f"redis://{dead_address}")

    answers = [web.get("/v1/jobs") for _ in range(7)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[4].headers["RateLimit"] == '"requests";r=0;t=60'


@pytest.mark.no_cover
def test_what_others_have_sent_counts_again_once_redis_is_back(
    serve, servers, web_log, backends, until
) -> None:
    url = urlsplit(backends["REDIS_URL"])
    with refusing(str(url.hostname), int(url.port or 0)) as proxy:
        behind = url._replace(netloc=f":{url.password}@127.0.0.1:{proxy.port}").geturl()
        other = serve(REQUESTS_PER_MINUTE="100")
        web = serve(REQUESTS_PER_MINUTE="100", REDIS_URL=behind)
        proxy.refuse(FULL)
        answers = [other.get("/v1/jobs").status_code for _ in range(101)]
        assert answers == [200] * 100 + [429]
        # Of its own count, a tenth; nor does it use up the rest while it waits below.
        assert {web.get("/v1/jobs").status_code for _ in range(10)} == {200}
        assert "redis unavailable" in web_log.read_text()

        proxy.refuse(None)

        until(lambda: web.get("/v1/jobs").status_code == 429)


@pytest.mark.no_cover
def test_a_change_reaches_running_processes(serve, external_id, until) -> None:
    web = serve()
    assert web.get("/v1/jobs").status_code == 200

    done = CliRunner().invoke(main, ["user", "limits", external_id, "--requests-per-minute", "1"])

    assert done.exit_code == 0, done.output
    until(lambda: web.get("/v1/jobs").status_code == 429)
    CliRunner().invoke(main, ["user", "limits", external_id, "--reset"])
    until(lambda: web.get("/v1/jobs").status_code == 200)


def test_a_job_too_many_is_refused_until_one_ends(client, limit) -> None:
    limit(jobs=2)
    job = submit(client, **{"Idempotency-Key": "first"}).json
    assert submit(client).status_code == 202

    refused = submit(client)

    assert (refused.status_code, refused.json["code"]) == (429, "too_many_jobs")
    assert "2 unfinished jobs; 0 are left" in refused.json["detail"]
    assert '"jobs";r=0;t=5' in refused.headers["RateLimit"]
    assert '"jobs";q=2;qu="jobs"' in refused.headers["RateLimit-Policy"]
    assert refused.headers["Retry-After"] == "5"
    # What was accepted is still answered.
    assert submit(client, **{"Idempotency-Key": "first"}).json["id"] == job["id"]
    client.post(f"/v1/jobs/{job['id']}/cancel")
    assert submit(client).status_code == 202


def test_each_job_of_a_broadcast_counts(client, limit) -> None:
    limit(jobs=4)
    sent = {"message": "hello"}
    assert client.post("/v1/broadcasts", json=sent).status_code == 202

    refused = client.post("/v1/broadcasts", json=sent)

    assert (refused.status_code, refused.json["code"]) == (429, "too_many_jobs")
    assert "1 are left" in refused.json["detail"]
    assert len(client.get("/v1/jobs").json["data"]) == 3


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("/v1/responses", {"model": "auto", "input": "hello", "background": True}),
        ("/api/chat", {"message": "hello"}),
        ("/v1/jobs/{ended}/retry", {}),
    ],
)
def test_every_call_that_creates_a_job_is_limited(client, limit, call, body) -> None:
    ended = submit(client).json["id"]
    client.post(f"/v1/jobs/{ended}/cancel")
    limit(jobs=1)
    submit(client)

    assert client.post(call.format(ended=ended), json=body).status_code == 429


@pytest.mark.no_cover
@pytest.mark.parametrize("most", [50, 150])
def test_parallel_submits_do_not_exceed_the_limit(serve, servers, most) -> None:
    clients = [serve(JOBS_PER_USER=str(most)) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(lambda client: statuses(client, 100, 16), clients)]

    assert sum(each.count(202) for each in answers) == most
    assert sum(each.count(429) for each in answers) == 200 - most


def test_a_stream_too_many_is_refused_with_what_is_left(client, limit) -> None:
    limit(streams=1)
    path = f"/v1/jobs/{submit(client).json['id']}/events"

    with ExitStack() as streams:
        streams.enter_context(client.get(path, buffered=False))
        refused = client.get(path)

    assert (refused.status_code, refused.json["code"]) == (429, "too_many_streams_of_yours")
    assert '"streams";r=0;t=5' in refused.headers["RateLimit"]
    assert '"streams";q=1;qu="concurrent-requests"' in refused.headers["RateLimit-Policy"]
    assert "1 open streams and waits; 0 are left" in refused.json["detail"]
