"""Which bodies are accepted, and how others are refused."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.http.validation import field_errors
from app.legacy.schemas import ProcessJob
from app.schemas.jobs import NewJob

pytestmark = pytest.mark.usefixtures("settled")


def refused(model: type[BaseModel], body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return [(error.field, error.code) for error in field_errors(caught.value)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing"),
        ({"message": None}, "not_a_string"),
        ({"message": 7}, "not_a_string"),
        ({"message": ["x"]}, "not_a_string"),
        ({"message": {"x": "y"}}, "not_a_string"),
        ({"message": True}, "not_a_string"),
        ({"message": ""}, "blank"),
        ({"message": " \t\n\u2003\x1c"}, "blank"),
        ({"message": "x" * 1001}, "too_long"),
    ],
)
def test_each_wrong_message_has_a_code_of_its_own(body, code):
    assert refused(NewJob, body) == [("message", code)]


def test_a_message_may_be_as_long_as_the_limit_in_characters_not_bytes():
    assert NewJob(message="🌍" * 1000).message == "🌍" * 1000


@pytest.mark.parametrize(
    ("metadata", "field", "code"),
    [
        ([], "metadata", "not_an_object"),
        (None, "metadata", "not_an_object"),
        ({"a": 1}, "metadata.a", "not_a_string"),
        ({"a": None}, "metadata.a", "not_a_string"),
        ({"a": "x" * 513}, "metadata.a", "too_long"),
        ({"k" * 65: "x"}, "metadata." + "k" * 64, "too_long"),
        ({str(n): "x" for n in range(17)}, "metadata", "too_many"),
    ],
)
def test_metadata_is_sixteen_short_strings_at_most(metadata, field, code):
    assert refused(NewJob, {"message": "x", "metadata": metadata}) == [(field, code)]


def test_metadata_may_be_as_large_as_the_limits():
    metadata = {f"{n:064}": "x" * 512 for n in range(16)}

    assert NewJob(message="x", metadata=metadata).metadata == metadata


def test_metadata_of_one_job_is_not_that_of_another():
    first = NewJob(message="x")
    first.metadata["a"] = "b"

    assert NewJob(message="y").metadata == {}


def test_a_field_that_the_call_does_not_know_is_refused_and_its_name_cut():
    assert refused(NewJob, {"message": "x", "m" * 1000: 1}) == [("m" * 64, "unknown_field")]


def test_the_rejected_value_is_never_repeated():
    with pytest.raises(ValidationError) as caught:
        NewJob.model_validate({"message": ["secret-1"], "mind": 4242, "metadata": {"a": ["s-3"]}})

    said = json.dumps([error.model_dump() for error in field_errors(caught.value)])
    assert not any(value in said for value in ("secret-1", "4242", "s-3"))


def test_the_old_services_may_send_fields_of_their_own():
    order = {"messageId": "1", "sessionId": "2", "userId": "3", "message": "x", "priority": 1}

    assert ProcessJob.model_validate(order).messageId == "1"


@pytest.mark.parametrize("sent", [20, 20.0])
def test_a_whole_number_may_be_written_as_json_writes_any(sent):
    assert NewJob(message="x", deadline_s=sent).deadline_s == 20


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (1.5, "not_an_integer"),
        (True, "not_an_integer"),
        ("5", "not_an_integer"),
        (1e300, "too_large"),
    ],
)
def test_what_is_no_whole_number_is_refused(sent, code):
    assert refused(NewJob, {"message": "x", "deadline_s": sent}) == [("deadline_s", code)]


def test_an_id_that_is_too_long_is_a_text_that_is_too_long():
    body = {"message": "x", "conversation_id": "x" * 41}

    assert refused(NewJob, body) == [("conversation_id", "too_long")]
