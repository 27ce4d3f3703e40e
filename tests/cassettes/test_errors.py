"""Refusals of real servers, and the codes that Trimind gives them."""

from dataclasses import replace
from typing import Any

import pytest

from models.errors import ContextTooLong, ProviderMisconfigured, ProviderRejected
from tasks.execution.work import Work
from tasks.llm.gateway import stream
from tasks.llm.models import Target
from tasks.nlu.llm_classifier import classify

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]

HELLO = [{"role": "user", "content": "Hello!"}]
WRONG_KEY = r"\((Authentication|BadRequest)Error\)"  # Google answers 400
LONG = [{"role": "user", "content": "7" * 4200}]  # a token each; a slot holds 4,096


def test_a_message_that_exceeds_the_context_is_too_long(
    embedded_protocol: str, target: Target, work: Work
) -> None:
    with pytest.raises(ContextTooLong) as refused:
        stream(target, LONG, work, limit_s=60, max_tokens=5)

    assert refused.value.message == f"The message is too long for {target.name}."


def test_a_wrong_key_is_refused_and_not_repeated(
    wrong_key_protocol: str, target: Target, work: Work
) -> None:
    with pytest.raises(ProviderMisconfigured, match=WRONG_KEY) as refused:
        stream(target, HELLO, work, limit_s=60, max_tokens=5)

    assert target.api_key not in str(refused.value)


def test_a_classifier_with_a_wrong_key_is_refused_too(
    wrong_key_protocol: str, target: Target
) -> None:
    with pytest.raises(ProviderMisconfigured, match=WRONG_KEY):
        classify("Hello!", {"other": "none of these"}, target, 30)


def test_an_address_that_the_server_does_not_know_is_refused(
    protocol: str, server: Any, target: Target, work: Work
) -> None:
    lost = replace(target, api_base=f"{target.api_base or server.url}/nowhere")

    with pytest.raises(ProviderMisconfigured, match="NotFoundError"):
        stream(lost, HELLO, work, limit_s=60, max_tokens=5)


def test_a_parameter_of_a_wrong_type_is_refused(protocol: str, target: Target, work: Work) -> None:
    with pytest.raises(ProviderRejected, match="BadRequestError") as refused:
        stream(target, HELLO, work, limit_s=60, temperature="hot", max_tokens=5)

    assert "Hello!" not in str(refused.value)
