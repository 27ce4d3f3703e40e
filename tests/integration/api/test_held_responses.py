"""Calls of /v1/responses that are held open; no answer is paid for or delivered twice."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import func, select, text, update

from models.jobs import Job
from models.open_calls import OpenCall
from models.session import unit_of_work
from tasks.events.publisher import publish_end

QUESTION: dict[str, Any] = {"input": "What is the capital of France?"}
RETRY = {"X-Stainless-Retry-Count": "1"}

Later = Callable[..., Future[Any]]
Locked = Callable[[str], contextlib.AbstractContextManager[Callable[[int], None]]]


@pytest.fixture
def later() -> Iterator[Later]:
    """`later(work, …)`: run in a thread."""
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


@pytest.fixture
def web(serve) -> httpx.Client:
    return serve(WAIT_MAX_S="1")


@pytest.fixture
def client(web) -> openai.OpenAI:
    return stock(web)


def stock(web: httpx.Client, **more: Any) -> openai.OpenAI:
    """A stock client for a server, as this test's user."""
    return openai.OpenAI(
        base_url="http://web/v1",
        api_key=web.headers["Authorization"].removeprefix("Bearer "),
        default_headers={"X-Trimind-User": web.headers["X-Trimind-User"]},
        http_client=openai.DefaultHttpxClient(transport=web._transport),
        **{"max_retries": 0, **more},
    )


def jobs_of(web: httpx.Client) -> list[str]:
    """The ids of this user's jobs, oldest first."""
    return [job["id"] for job in reversed(web.get("/v1/jobs").json()["data"])]


@pytest.fixture
def made(web, until) -> Callable[[int], list[str]]:
    """`made(count)`: wait until the user has so many jobs, and return their ids."""

    def read(count: int) -> list[str]:
        until(lambda: len(jobs_of(web)) == count)
        return jobs_of(web)

    return read


def held_up() -> int:
    """The number of the server's statements that wait for a lock."""
    waits = "wait_event_type = 'Lock' AND application_name LIKE 'trimind%'"
    with unit_of_work() as session:
        count = f"SELECT count(*) FROM pg_stat_activity WHERE {waits}"
        return int(session.scalar(text(count)) or 0)


@pytest.fixture
def locked(backends, until) -> Locked:
    """`with locked(table) as waiting`: lock a table; `waiting(n)` waits for n blocked users."""

    @contextlib.contextmanager
    def lock(table: str) -> Iterator[Callable[[int], None]]:
        with unit_of_work() as session:
            session.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            yield lambda count: until(lambda: held_up() >= count)

    return lock


def end(job_id: str, answer: str = "Paris.") -> None:
    ended = {"status": "completed", "slot": None, "completed_at": func.now()}
    with unit_of_work() as session:
        session.execute(
            update(Job).where(Job.id == job_id).values(answer=answer, sequence=9, **ended)
        )
    publish_end(job_id)


def open_calls(*job_ids: str) -> list[bool]:
    """Whether each unanswered call of these jobs is abandoned."""
    with unit_of_work() as session:
        of_jobs = (OpenCall.job_id.in_(job_ids), OpenCall.answered.is_(False))
        query = select(OpenCall.abandoned).where(*of_jobs)
        return list(session.scalars(query))


def test_past_the_wait_a_call_is_held_by_white_space_until_it_is_answered(web, client, until):
    with web.stream("POST", "/v1/responses", json=QUESTION) as held:
        pieces = held.iter_text()
        assert (held.status_code, next(pieces)) == (200, "\n")
        end(jobs_of(web)[0])
        rest = "".join(pieces)

    assert held.headers["Content-Type"] == "application/json"
    body = json.loads(rest)
    assert (body["status"], body["output"][0]["content"][0]["text"]) == ("completed", "Paris.")
    assert open_calls(*jobs_of(web)) == []


def test_the_stock_client_is_held_and_gets_its_answer(web, client, later, until):
    answer = later(lambda: client.responses.create(**QUESTION))
    until(lambda: jobs_of(web))
    with contextlib.suppress(TimeoutError):
        answer.result(1.5)
    assert not answer.done()
    end(jobs_of(web)[0])

    assert answer.result(20).output_text == "Paris."


def test_a_call_that_is_held_no_longer_is_an_error_and_no_empty_answer(serve):
    web = serve(WAIT_MAX_S="0", RESPONSE_HOLD_S="1")

    response = stock(web).responses.create(**QUESTION)

    [job] = jobs_of(web)
    assert response.error.message is not None
    assert response.id == job.replace("job_", "resp_")
    assert response.id in response.error.message
    assert response.status == "queued"
    with pytest.raises((AttributeError, TypeError)):
        _ = response.output_text
    assert open_calls(job) == [True]


def test_a_call_that_waits_for_less_than_the_first_byte_is_a_504(serve):
    web = serve(RESPONSE_HOLD_S="1")

    with pytest.raises(openai.InternalServerError) as raised:
        stock(web).responses.create(**QUESTION)

    [job] = jobs_of(web)
    assert (raised.value.status_code, raised.value.code) == (504, "response_unfinished")
    assert job.replace("job_", "resp_") in raised.value.message


def test_where_no_place_is_free_nothing_is_made(serve):
    web = serve(WEB_STREAMS="1", WAIT_MAX_S="1")
    with web.stream("POST", "/v1/responses", json=QUESTION) as first:
        assert first.status_code == 200

        refused = web.post("/v1/responses", json={"input": "Another."})

        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_streams")
        assert int(refused.headers["Retry-After"]) >= 1
        assert len(jobs_of(web)) == 1


def test_the_packages_own_retry_after_a_time_out_gets_the_first_answer(web, later, until):
    impatient = stock(web, timeout=0.5, max_retries=4)
    answer = later(lambda: impatient.responses.create(**QUESTION))
    until(lambda: jobs_of(web))
    threading.Timer(2, end, [jobs_of(web)[0]]).start()

    assert answer.result(20).output_text == "Paris."
    assert len(jobs_of(web)) == 1
    assert open_calls(*jobs_of(web)) == []


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("headers", [{}, RETRY])
def test_an_answer_that_was_had_is_not_given_again(web, background, headers, until):
    body = {**QUESTION, "background": background}
    for number in range(2):
        with web.stream("POST", "/v1/responses", json=body, headers=headers) as response:
            if not background:
                next(pieces := response.iter_text())
                end(jobs_of(web)[number])
                list(pieces)
            response.read() if background else None
        until(lambda: open_calls(*jobs_of(web)) == [])

    assert len(jobs_of(web)) == 2


def test_who_went_without_an_answer_gets_it_when_he_sends_the_same_again(web, until):
    with contextlib.suppress(httpx.TimeoutException):
        web.post("/v1/responses", json=QUESTION, timeout=0.5)
    [job] = jobs_of(web)
    until(lambda: open_calls(job) == [True])
    end(job)

    again = web.post("/v1/responses", json=QUESTION)

    assert again.json()["id"] == job.replace("job_", "resp_")
    assert jobs_of(web) == [job]


def test_who_sends_the_same_again_without_a_pause_gets_what_the_first_call_has_made(web):
    for number in range(6):
        for _ in range(2):
            with contextlib.suppress(httpx.TimeoutException):
                web.post("/v1/responses", json={"input": f"Question {number}"}, timeout=0.3)

    assert len(jobs_of(web)) == 6


def test_who_reads_the_response_after_all_gets_another_when_he_sends_the_same_again(web, until):
    with contextlib.suppress(httpx.TimeoutException):
        web.post("/v1/responses", json=QUESTION, timeout=0.5)
    [job] = jobs_of(web)
    until(lambda: open_calls(job) == [True])
    end(job)

    web.get(f"/v1/responses/{job.replace('job_', 'resp_')}")

    assert open_calls(job) == []


def test_who_follows_the_response_to_its_end_after_all_has_had_it(web, until):
    with contextlib.suppress(httpx.TimeoutException):
        web.post("/v1/responses", json=QUESTION, timeout=0.5)
    [job] = jobs_of(web)
    until(lambda: open_calls(job) == [True])
    read = f"/v1/responses/{job.replace('job_', 'resp_')}"
    with web.stream("GET", read, params={"stream": "true"}) as stream:
        lines = stream.iter_lines()
        next(lines)
    assert open_calls(job) == [True]
    with web.stream("GET", read, params={"stream": "true"}) as stream:
        lines = stream.iter_lines()
        next(lines)
        end(job, "")  # a job without events has no text
        assert "event: response.completed" in list(lines)

    until(lambda: open_calls(job) == [])


def test_a_stream_in_the_background_is_answered_by_its_name(web, until):
    body = {**QUESTION, "stream": True, "background": True}
    with web.stream("POST", "/v1/responses", json=body) as stream:
        assert next(stream.iter_lines()) == "event: response.created"
        [job] = jobs_of(web)
        end(job)

    until(lambda: open_calls(job) == [])


def test_a_process_that_ends_costs_no_answer_to_who_sends_the_same_again(
    serve, web, later, servers
):
    streamed = {**QUESTION, "stream": True}
    with web.stream("POST", "/v1/responses", json=streamed) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: response.created"
        held = later(lambda: web.post("/v1/responses", json=QUESTION))
        with contextlib.suppress(TimeoutError):
            held.result(1.2)
        servers[0].terminate()
        cut_off = [json.loads(line[6:]) for line in lines if line.startswith("data: ")][-1]
    assert (cut_off["type"], cut_off["code"]) == ("error", "stream_cut_off")
    assert held.result(20).json()["error"]["code"] == "response_unfinished"

    other = serve()
    first, second = jobs_of(other)
    end(first), end(second)
    again = [other.post("/v1/responses", json=body) for body in (streamed, QUESTION)]

    assert [
        job.replace("job_", "resp_") in answer.text
        for job, answer in zip((first, second), again, strict=True)
    ] == [True, True]
    assert jobs_of(other) == [first, second]


def test_a_failed_or_cancelled_job_or_one_of_another_body_is_not_reused(web, until):
    with contextlib.suppress(httpx.TimeoutException):
        web.post("/v1/responses", json=QUESTION, timeout=0.5)
    [first] = jobs_of(web)
    until(lambda: open_calls(first) == [True])

    other = {**QUESTION, "background": True, "input": "Another."}
    assert web.post("/v1/responses", json=other, headers=RETRY).status_code == 200
    web.post(f"/v1/jobs/{first}/cancel")
    with contextlib.suppress(httpx.TimeoutException):
        web.post("/v1/responses", json=QUESTION, timeout=0.5, headers=RETRY)

    assert len(jobs_of(web)) == 3


def test_a_retry_finds_the_job_that_its_first_attempt_is_still_making(web, later, locked, made):
    impatient = stock(web, timeout=0.5, max_retries=4)
    with locked("messages") as waiting:
        answer = later(lambda: impatient.responses.create(**QUESTION))
        waiting(2)
    [job] = made(1)
    end(job)

    assert answer.result(20).output_text == "Paris."
    assert jobs_of(web) == [job]


def test_attempts_that_are_made_at_once_have_one_job_and_one_answer(web, later, locked, made):
    jobs: list[str] = []
    for counts in (("0", "1"), ("1", "0"), ("0", "2"), ("1", "2")):
        answers = []
        with locked("messages") as waiting:
            for count in counts:
                call = {"input": f"{counts}", "extra_headers": {"x-stainless-retry-count": count}}
                answers.append(later(stock(web).responses.create, **call))
                waiting(len(answers))
        *earlier, job = made(len(jobs) + 1)
        assert earlier == jobs
        jobs.append(job)
        end(job)

        assert [answer.result(20).output_text for answer in answers] == ["Paris."] * 2
    assert jobs_of(web) == jobs
    assert open_calls(*jobs) == []


@pytest.mark.parametrize("more", [{}, {"background": True}, {"stream": True}])
def test_a_retry_gets_the_answer_that_was_given_and_lost_on_its_way(web, until, more):
    call = {**QUESTION, **more}
    with web.stream("POST", "/v1/responses", json=call) as given:
        pieces = given.iter_text()
        next(pieces)
        [job] = jobs_of(web)
        end(job, "")
        list(pieces)
    until(lambda: open_calls(job) == [])

    for count in ("1", "2"):
        again = web.post("/v1/responses", json=call, headers={"X-Stainless-Retry-Count": count})
        assert job.replace("job_", "resp_") in again.text
    assert jobs_of(web) == [job]


@pytest.mark.parametrize("why", ["late", "deleted"])
def test_an_answer_is_not_lost_for_ever_nor_when_it_was_deleted(web, until, why):
    call = {**QUESTION, "background": True}
    web.post("/v1/responses", json=call)
    [job] = jobs_of(web)
    until(lambda: open_calls(job) == [])
    end(job)
    if why == "late":
        with unit_of_work() as session:
            long_ago = func.now() - timedelta(minutes=3)
            session.execute(
                update(OpenCall).values(called_at=long_ago).where(OpenCall.job_id == job)
            )
    else:
        web.delete(f"/v1/conversations/{web.get(f'/v1/jobs/{job}').json()['conversation_id']}")

    assert web.post("/v1/responses", json=call, headers=RETRY).status_code == 200
    assert len(jobs_of(web)) == 2


def test_two_retries_of_two_calls_have_an_answer_each(web, later, made):
    answers = [later(lambda: web.post("/v1/responses", json=QUESTION, headers=RETRY))]
    made(1)
    answers.append(later(lambda: web.post("/v1/responses", json=QUESTION, headers=RETRY)))
    for number, job in enumerate(made(2)):
        end(job, f"Answer {number}")

    told = {answer.result(20).json()["output"][0]["content"][0]["text"] for answer in answers}
    assert told == {"Answer 0", "Answer 1"}


def test_for_a_caller_who_has_gone_before_he_was_heard_nothing_is_made(web, locked, until, web_log):
    with locked("open_calls") as waiting:
        with contextlib.suppress(httpx.TimeoutException):
            web.post("/v1/responses", json=QUESTION, timeout=0.5)
        waiting(1)
    until(lambda: "status=408" in web_log.read_text())

    assert jobs_of(web) == []


def test_two_calls_of_the_same_have_an_answer_each_though_one_is_sent_again(web, later, until):
    patient, impatient = stock(web), stock(web, timeout=0.5, max_retries=6)
    one = later(lambda: patient.responses.create(**QUESTION))
    until(lambda: len(jobs_of(web)) == 1)
    other = later(lambda: impatient.responses.create(**QUESTION))
    until(lambda: len(jobs_of(web)) == 2)
    until(lambda: any(open_calls(*jobs_of(web))))
    for number, job in enumerate(jobs_of(web)):
        end(job, f"Answer {number}")

    assert {one.result(20).output_text, other.result(20).output_text} == {"Answer 0", "Answer 1"}
    assert len(jobs_of(web)) == 2
