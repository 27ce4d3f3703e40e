"""Headers that a call reads."""

import pytest

from app.http.problems import Refusal
from app.schemas.headers import CANCEL_AFTER, IDEMPOTENCY_KEY, CreateHeaders, SubmitHeaders
from app.schemas.jobs import deadline_of

pytestmark = pytest.mark.usefixtures("settled")


@pytest.mark.parametrize(
    "key", [None, "a", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", "!~"]
)
def test_a_key_is_visible_ascii(key):
    assert CreateHeaders.model_validate({IDEMPOTENCY_KEY: key}).idempotency_key == key


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä", "a\n", "a\x7f"])
def test_any_other_key_is_refused_by_name(key):
    with pytest.raises(Refusal) as refused:
        CreateHeaders.model_validate({IDEMPOTENCY_KEY: key})

    problem = refused.value.problem
    assert (problem.status, problem.code) == (400, "invalid_header")
    assert [error.field for error in problem.errors] == [IDEMPOTENCY_KEY]


@pytest.mark.parametrize(
    ("sent", "seconds"), [(None, None), ("1", 1), ("86400", 86_400), ("060", 60)]
)
def test_a_deadline_may_stand_in_a_header(sent, seconds):
    assert SubmitHeaders.model_validate({CANCEL_AFTER: sent}).cancel_after == seconds


@pytest.mark.parametrize(
    "sent", ["", "0", "86401", "-1", "1.5", "soon", "٣", "1" * 5000, " 5", "5s"]
)
def test_a_header_that_is_no_deadline_is_refused_by_name(sent):
    with pytest.raises(Refusal) as refused:
        SubmitHeaders.model_validate({CANCEL_AFTER: sent})

    problem = refused.value.problem
    assert (problem.status, problem.errors[0].field) == (400, CANCEL_AFTER)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [(None, None, None), (None, 5, 5), ("5", None, 5), ("5", 5, 5)],
)
def test_body_and_header_may_say_the_same(header, body, seconds):
    headers = SubmitHeaders.model_validate({CANCEL_AFTER: header})

    assert deadline_of(headers, body) == seconds


def test_body_and_header_may_not_contradict_each_other():
    headers = SubmitHeaders.model_validate({CANCEL_AFTER: "6"})

    with pytest.raises(Refusal) as refused:
        deadline_of(headers, 5)

    problem = refused.value.problem
    assert (problem.status, problem.errors[0].field) == (422, "deadline_s")
