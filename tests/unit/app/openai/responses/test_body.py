"""A job as OpenAI's own model reads it."""

import pytest

from app.openai.responses.body import begun, response_body
from models.job_options import Options

from ..conftest import ULID

pytestmark = pytest.mark.usefixtures("settled")

FINISHED = {"answer": "Paris.", "finish_reason": "stop", "route": {"model": "openai/m"}}


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"status": "queued"}, "queued"),
        ({"status": "in_progress", "partial": "Par", "answer": "Paris."}, "in_progress"),
        ({"status": "completed", **FINISHED}, "completed"),
        ({"status": "completed", **FINISHED, "finish_reason": "length"}, "incomplete"),
        ({"status": "failed", "error": {"code": "poison", "message": "Died."}}, "failed"),
        ({"status": "expired", "error": {"code": "deadline_exceeded", "message": "x"}}, "failed"),
        ({"status": "cancelled", "partial": "Par"}, "cancelled"),
    ],
)
def test_every_job_is_a_response_by_openais_own_model(job, theirs, columns, status):
    body = response_body(job(**columns)).model_dump()

    read = theirs.read(body)
    assert (read.id, read.status, read.object) == (f"resp_{ULID}", status, "response")
    assert read.created_at == 1769851800
    assert (read.usage is None) == (status in ("queued", "in_progress"))
    assert (read.error is not None) == (status == "failed")
    assert (read.completed_at is not None) == (status == "completed")


def test_an_answer_is_one_message(job, theirs):
    read = theirs.read(response_body(job(status="completed", **FINISHED)).model_dump())

    assert read.output_text == "Paris."
    [item] = read.output
    assert (item.id, item.type, item.status) == (f"msg_{ULID}", "message", "completed")
    assert read.usage is not None
    assert read.usage.total_tokens == 10
    assert read.model == "openai/m"


def test_who_has_no_package_finds_the_text_in_one_place(job):
    whole = response_body(job(status="completed", **FINISHED))

    assert whole.model_dump()["output_text"] == "Paris."
    assert begun(whole, "in_progress").model_dump()["output_text"] == ""


def test_an_answer_that_was_cut_says_by_what(job, theirs):
    columns = {**FINISHED, "finish_reason": "length", "status": "completed"}

    read = theirs.read(response_body(job(**columns)).model_dump())

    assert read.incomplete_details is not None
    assert read.incomplete_details.reason == "max_output_tokens"
    assert read.output[0].status == "incomplete"
    assert read.output_text == "Paris."


def test_an_answer_that_is_only_checkpointed_is_not_shown(job):
    assert response_body(job(status="in_progress", answer="Paris.")).output == []


def test_what_there_is_of_a_cancelled_answer_is_shown(job):
    [item] = response_body(job(status="cancelled", partial="Par")).output

    assert (item.status, item.content[0].text) == ("incomplete", "Par")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("context_too_long", "invalid_prompt"),
        ("rate_limited", "rate_limit_exceeded"),
        ("poison", "server_error"),
    ],
)
def test_an_error_has_a_code_of_openais_and_ours_in_its_message(job, code, shown):
    error = response_body(job(status="failed", error={"code": code, "message": "It broke."})).error

    assert error is not None
    assert (error.code, error.message) == (shown, f"It broke. ({code})")


def test_the_request_is_shown(job):
    options = Options(
        instructions="Be brief.", model="openai/m", temperature=0.0, max_tokens=99, background=False
    )

    body = response_body(
        job(options=options.to_json(), previous_id="job_1", meta={"a": "b"}, status="queued")
    )

    assert (body.instructions, body.model, body.temperature) == ("Be brief.", "openai/m", 0.0)
    assert (body.max_output_tokens, body.previous_response_id) == (99, "resp_1")
    assert (body.background, body.metadata) == (False, {"a": "b"})


def test_a_job_of_another_call_is_in_the_background_and_shows_its_mind(job):
    body = response_body(job(status="queued"))

    assert (body.background, body.model, body.temperature) == (True, "sage", 0.7)


def test_a_response_is_shown_as_it_began(job):
    body = begun(response_body(job(status="completed", **FINISHED)), "queued")

    assert (body.status, body.output, body.usage, body.completed_at) == ("queued", [], None, None)
