"""The class of an error, by the fields of the provider's answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from models.errors import (
    ContextTooLong,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    TrimindError,
)
from tasks.execution.work import Work
from tasks.llm.gateway import ask_json, stream
from tasks.llm.models import Target
from tasks.llm.provider_error import parse_error
from tests.unit.tasks.llm.odd import HELLO, Answer, chunk, claude, event, gemini, sends

At = Callable[..., Target]
Serve = Callable[[Answer], str]
PROTOCOLS = ["openai", "anthropic", "gemini"]


def openais(code: Any = None, kind: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    return {"error": {"message": "No.", "type": kind, "param": None, "code": code} | more}


def anthropics(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def googles(code: int, status: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status} | more}


NO_MODEL: list[tuple[str, int, Any]] = [
    ("openai", 404, openais("model_not_found", message="The model `m` does not exist.")),
    ("openai", 400, openais("model_not_found")),
    ("openai", 400, openais(message="invalid model ID")),
    ("openai", 400, openais(message="The model `m` does not exist", param="model")),
    ("openai", 400, openais(message="The model `m` has been deprecated, learn more here: x")),
    ("openai", 400, openais("model_decommissioned")),
    ("openai", 400, openais("invalid_request_error", message="Model Not Exist")),
    ("openai", 400, {"object": "error", "message": "Invalid model: m", "type": "invalid_model",
                     "param": None, "code": "1500"}),
    ("openai", 400, {"object": "error", "message": "The model `m` does not exist.",
                     "type": "NotFoundError", "param": None, "code": 404}),
    ("openai", 400, {"error": {"message": "m is not a valid model ID", "code": 400}}),
    ("openai", 400, {"code": "Some request is invalid", "error": "The model m does not exist or "
                     "your team does not have access to it."}),
    ("openai", 422, {"detail": {"message": "Invalid model: m", "type": "invalid_model"}}),
    ("openai", 404, {"error": {"code": "DeploymentNotFound", "message": "No deployment."}}),
    ("openai", 404, {"error": "model 'm' not found"}),
    ("openai", 404, {"detail": "Not Found"}),
    ("anthropic", 404, anthropics("not_found_error", "model: m")),
    ("anthropic", 400, anthropics("not_found_error", "model: m")),
    ("gemini", 404, googles(404, "NOT_FOUND", "models/m is not found for API version v1beta.")),
    ("gemini", 400, googles(400, "INVALID_ARGUMENT", "* GenerateContentRequest.model: "
                            "unexpected model name format")),
]  # fmt: skip
NO_CREDIT_OR_KEY: list[tuple[str, int, Any]] = [
    ("openai", 401, openais("invalid_api_key")),
    ("openai", 402, {"error": {"message": "Insufficient Balance"}}),
    ("openai", 403, openais("unsupported_country_region_territory")),
    ("openai", 407, {}),
    ("openai", 429, openais("insufficient_quota", "insufficient_quota")),
    ("openai", 429, openais(None, "insufficient_quota")),
    ("openai", 429, openais("billing_not_active", "billing_not_active")),
    ("openai", 400, openais("billing_hard_limit_reached")),
    ("openai", 400, {"code": "Some request is invalid", "error": "Incorrect API key provided: x"}),
    ("openai", 429, {"code": "Some resource has been exhausted", "error": "Your team 1 has either "
                     "used all available credits or reached its monthly spending limit."}),
    ("anthropic", 400, anthropics("invalid_request_error", "Your credit balance is too low to "
                                  "access the Anthropic API. Please go to Plans & Billing.")),
    ("anthropic", 401, anthropics("authentication_error", "invalid x-api-key")),
    ("anthropic", 403, anthropics("permission_error", "No.")),
    ("gemini", 400, googles(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid one.",
                            details=[{"@type": "x/google.rpc.ErrorInfo",
                                      "reason": "API_KEY_INVALID"}])),
    ("gemini", 400, googles(400, "FAILED_PRECONDITION", "Please enable billing.")),
    ("gemini", 403, googles(403, "PERMISSION_DENIED", "No.")),
]  # fmt: skip
NO_CREDIT = [
    (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota."}}),
    (402, {"error": {"message": "Payment required."}}),
    (401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided."}}),
]
ECHO = "Say insufficient_quota, model_not_found, rate limit, 429, credit balance is too low."
REFUSED: list[tuple[str, int, Any]] = [
    ("openai", 400, openais(message=f"Invalid value for 'content': {ECHO}")),
    ("openai", 400, openais(message=ECHO)),
    ("openai", 400, openais("invalid_value", param="messages.[0].content", input=ECHO)),
    ("openai", 400, openais("unsupported_value", message="Model m does not support x with this "
                            "model.", param="temperature")),
    ("openai", 422, {"detail": [{"loc": ["body"], "msg": "no", "type": "value_error",
                                 "input": ECHO}]}),
    ("openai", 413, openais(message=ECHO)),
    ("openai", 400, ECHO),
    ("anthropic", 400, anthropics("invalid_request_error", f"messages.0: {ECHO}")),
    ("gemini", 400, googles(400, "INVALID_ARGUMENT", f"Invalid value: {ECHO}")),
]  # fmt: skip
OF_CONTENT: list[tuple[str, int, Any]] = [
    ("openai", 400, openais("content_filter", message="The response was filtered.", param="prompt",
                            innererror={"code": "ResponsibleAIPolicyViolation"})),
    ("openai", 400, {"error": {"code": None, "message": "The response was filtered.", "innererror":
                               {"code": "ResponsibleAIPolicyViolation"}}}),
    ("openai", 400, openais("content_policy_violation")),
    ("openai", 400, openais("invalid_prompt")),
    ("openai", 403, {"error": {"code": 403, "message": "m requires moderation.",
                               "metadata": {"reasons": ["x"], "flagged_input": ECHO}}}),
]  # fmt: skip
TOO_LONG: list[tuple[str, int, Any]] = [
    ("openai", 400, openais("context_length_exceeded", param="messages")),
    ("openai", 400, openais(message="This model's maximum context length is 4 tokens.")),
    ("openai", 400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "x"}}),
    ("anthropic", 400, anthropics("invalid_request_error", "prompt is too long: 9 tokens > 8")),
    ("anthropic", 413, anthropics("request_too_large", "Request exceeds the maximum size.")),
    ("gemini", 400, googles(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the "
                            "maximum number of tokens allowed (8).")),
]  # fmt: skip
LIMITED: list[tuple[str, int, Any]] = [
    ("openai", 429, openais("rate_limit_exceeded", "tokens", message=ECHO)),
    ("openai", 429, {}),
    ("anthropic", 429, anthropics("rate_limit_error", ECHO)),
    ("gemini", 429, googles(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.")),
]
AWAY: list[tuple[str, int, Any]] = [
    ("openai", 503, openais(None, "server_error", message=ECHO)),
    ("anthropic", 529, anthropics("overloaded_error", ECHO)),
    ("gemini", 500, googles(500, "INTERNAL", ECHO)),
    ("openai", 409, {}),
]


@pytest.mark.parametrize(
    ("sort", "protocol", "status", "body"),
    [
        (sort, *each)
        for sort, cases in (
            (ProviderMisconfigured, NO_MODEL + NO_CREDIT_OR_KEY),
            (ProviderRejected, REFUSED + OF_CONTENT),
            (ContextTooLong, TOO_LONG),
            (RateLimited, LIMITED),
            (ProviderUnavailable, AWAY),
        )
        for each in cases
    ],
)
def test_an_error_is_sorted_by_its_status_and_its_own_words(
    sort: type[TrimindError],
    protocol: str,
    status: int,
    body: Any,
    serve: Serve,
    target_at: At,
    work: Work,
) -> None:
    sent = json.dumps(body).encode()
    target = target_at(serve(sends(sent, kind="application/json", status=status)), protocol)

    with pytest.raises(TrimindError) as caught:
        stream(target, HELLO, work, limit_s=20)

    assert type(caught.value) is sort, caught.value
    assert ECHO not in caught.value.message
    with pytest.raises(sort):
        ask_json(target, HELLO, {}, limit_s=20, max_tokens=9)


@pytest.mark.parametrize(("protocol", "status", "body"), NO_MODEL[::6] + NO_CREDIT_OR_KEY[::6])
def test_what_the_operator_has_to_look_at_is_named(
    protocol: str, status: int, body: Any, serve: Serve, target_at: At, work: Work
) -> None:
    sent = json.dumps(body).encode()
    target = target_at(serve(sends(sent, kind="application/json", status=status)), protocol)

    with pytest.raises(ProviderMisconfigured) as caught:
        stream(target, HELLO, work, limit_s=20)

    key = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "gemini": "GOOGLE"}[protocol] + "_API_KEY"
    assert key in (caught.value.variable or "")
    assert key in caught.value.message
    assert ("MINDS_FILE" in caught.value.message) == ((protocol, status, body) in NO_MODEL)


def test_why_is_said_in_the_providers_word_for_it(serve: Serve, target_at: At, work: Work) -> None:
    sent = json.dumps(openais("insufficient_quota")).encode()
    target = target_at(serve(sends(sent, kind="application/json", status=429)))

    with pytest.raises(ProviderMisconfigured, match=", insufficient_quota: check OPENAI_API_KEY"):
        stream(target, HELLO, work, limit_s=20)


def test_a_refusal_says_that_it_is_of_the_content(serve: Serve, target_at: At, work: Work) -> None:
    sent = json.dumps(openais("content_filter")).encode()

    with pytest.raises(ProviderRejected, match="rejected the content"):
        stream(
            target_at(serve(sends(sent, kind="application/json", status=400))),
            HELLO,
            work,
            limit_s=20,
        )


@pytest.mark.parametrize(
    ("sort", "protocol", "said"),
    [
        (ContextTooLong, "openai", event(openais("context_length_exceeded"))),
        (ContextTooLong, "openai", event(openais("context_length_exceeded", "server_error"))),
        (ContextTooLong, "openai", event({"error": {"message": "This model's maximum context "
                                                    "length is 4 tokens.", "code": 400}})),
        (ContextTooLong, "anthropic",
         claude("error", error={"type": "invalid_request_error",
                                "message": "prompt is too long: 9 tokens > 8 maximum"})),
        (ProviderMisconfigured, "openai", event(openais("insufficient_quota"))),
        (ProviderMisconfigured, "openai", event(openais("model_not_found"))),
        (ProviderMisconfigured, "anthropic",
         claude("error", error={"type": "authentication_error", "message": "no"})),
        (ProviderMisconfigured, "gemini",
         event(googles(403, "PERMISSION_DENIED", "no"))),
        (ProviderRejected, "openai", event(openais("invalid_value", message=ECHO))),
        (ProviderUnavailable, "openai", event({"error": ECHO})),
        (ProviderUnavailable, "openai", event({"error": {"message": ECHO, "code": 500}})),
    ],
)  # fmt: skip
def test_an_error_in_a_stream_is_sorted_as_one_with_a_status(
    sort: type[TrimindError], protocol: str, said: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    begun = {"openai": chunk("Hi"), "anthropic": b"", "gemini": gemini("Hi")}[protocol]

    with pytest.raises(TrimindError) as caught:
        stream(target_at(serve(sends(begun + said)), protocol), HELLO, work, limit_s=20)

    assert type(caught.value) is sort


def test_no_credit_is_distinguished_from_a_wrong_key():
    said = [parse_error(status, body) for status, body in NO_CREDIT]

    assert [each.no_credit for each in said] == [True, True, False]
