"""Browsers on other sites: preflights, and who may read an answer."""

import httpx
import pytest

APP = "https://app.example.com"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
}

pytestmark = pytest.mark.no_cover  # what is tested runs in another process


@pytest.fixture
def web(serve) -> httpx.Client:
    return serve(CORS_ORIGINS=f"{APP}, http://localhost:3000")


def origin_of(answer: httpx.Response) -> str | None:
    return answer.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/job_unknown/cancel", "/api/chat", "/v1/no"])
def test_a_preflight_is_answered_without_authentication(web, origin, path) -> None:
    answer = httpx.Request("OPTIONS", f"http://web{path}", headers={"Origin": origin, **PREFLIGHT})
    sent = web._transport.handle_request(answer)  # without the client's Authorization

    assert sent.status_code == 204
    assert sent.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in sent.headers["Access-Control-Allow-Methods"]
    allowed = sent.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "idempotency-key"} <= {*allowed.split(", ")}
    assert "Access-Control-Allow-Credentials" not in sent.headers
    assert "Origin" in sent.headers["Vary"]


def test_an_answer_names_the_origin_and_what_its_page_may_read(web) -> None:
    job = web.post("/v1/jobs", json={"message": "hello"}, headers={"Origin": APP})

    assert origin_of(job) == APP
    exposed = {*job.headers["Access-Control-Expose-Headers"].split(", ")}
    assert {"X-Request-Id", "Location", "Retry-After", "ETag", "RateLimit"} <= exposed
    assert "Origin" in job.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in job.headers


def test_a_stream_names_the_origin(web) -> None:
    job = web.post("/v1/jobs", json={"message": "hello"}).json()

    with web.stream("GET", f"/v1/jobs/{job['id']}/events", headers={"Origin": APP}) as stream:
        assert origin_of(stream) == APP


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v1/jobs", {"headers": {"Authorization": "Bearer no"}}, 401),
        ("GET", "/v1/jobs/job_unknown", {}, 404),
        ("POST", "/v1/jobs", {"json": {}}, 422),
        ("POST", "/v1/jobs", {"json": {"message": "x" * 9_000_000}}, 413),  # not read by the server
        ("GET", "/v1/jobs", {"headers": {"X-Long": "x" * 9000}}, 431),  # never reaches Flask
    ],
)
def test_a_problem_names_the_origin_too(web, method, path, more, status) -> None:
    headers = {"Origin": APP, **more.pop("headers", {})}

    answer = web.request(method, path, headers=headers, **more)

    assert answer.status_code == status
    assert origin_of(answer) == APP
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{APP}.evil.example", "http://app.example.com", "null", ""]
)
def test_another_origin_may_read_nothing(web, origin) -> None:
    for answer in (
        web.get("/v1/jobs", headers={"Origin": origin}),
        web.options("/v1/jobs", headers={"Origin": origin, **PREFLIGHT}),
        web.get("/v1/jobs", headers={"Origin": origin, "X-Long": "x" * 9000}),
    ):
        assert origin_of(answer) is None
        assert "Origin" in answer.headers["Vary"]


def test_all_origins_may_read_without_cookies(serve) -> None:
    web = serve(CORS_ORIGINS="*")

    answer = web.get("/v1/jobs", headers={"Origin": APP})

    assert origin_of(answer) == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_none_is_named_unless_one_is_allowed(client) -> None:
    answer = client.get("/v1/jobs", headers={"Origin": APP})

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Vary" not in answer.headers
