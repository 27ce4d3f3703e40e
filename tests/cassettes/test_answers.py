"""Answers streamed by real servers through the gateway."""

import json

import pytest
from vcr.cassette import Cassette

from tasks.execution.work import Work
from tasks.llm.context import fit
from tasks.llm.gateway import stream
from tasks.llm.models import Target

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]

HELLO = [{"role": "user", "content": "Say hello in one short sentence."}]


def body(vcr: Cassette) -> dict[str, object]:
    """The body of a cassette's only request."""
    (request,) = vcr.requests
    sent: dict[str, object] = json.loads(request.body)
    return sent


def test_an_answer_is_streamed_to_its_end(protocol: str, target: Target, work: Work) -> None:
    made = stream(target, HELLO, work, limit_s=60, temperature=0, max_tokens=200)

    assert made.text.strip()
    assert made.finish_reason == "stop"
    assert 0 < made.input_tokens < 100
    assert 0 < made.output_tokens < 200
    assert made.first_token_ms > 0
    assert made.cost_usd >= 0


def test_an_answer_cut_by_max_tokens_says_so(protocol: str, target: Target, work: Work) -> None:
    question = [{"role": "user", "content": "Tell me a long story about a lighthouse."}]

    made = stream(target, question, work, limit_s=60, temperature=0, max_tokens=8)

    assert made.finish_reason == "length"
    assert 0 < made.output_tokens <= 8
    assert made.text.strip()


def test_the_parameters_of_the_settings_are_sent(
    protocol: str, target: Target, work: Work, vcr: Cassette
) -> None:
    stream(target, HELLO, work, limit_s=60, temperature=0.7, max_tokens=16)

    sent = body(vcr)
    settings = sent.get("generationConfig", sent)
    assert isinstance(settings, dict)
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    assert [settings[name] for name in names if name in settings] == [16]
    assert settings["temperature"] == 0.7


def test_history_goes_along_oldest_first(
    protocol: str, target: Target, work: Work, vcr: Cassette
) -> None:
    past = [
        (("user", "My name is Ada."), ("assistant", "Hello Ada.")),
        (("user", "I like maps."), ("assistant", "So do I.")),
    ]
    messages = fit("Be brief.", past, "What is my name?", input_tokens=2000, history_tokens=1000)

    made = stream(target, messages, work, limit_s=60, temperature=0, max_tokens=30)

    assert made.text.strip()
    sent = json.dumps(body(vcr))
    asked = [question for (_, question), _ in past]
    places = [sent.index(text) for text in (*asked, "What is my name?")]
    assert places == sorted(places)
    assert "Be brief." in sent


def test_text_of_any_script_arrives_as_it_was_sent(
    protocol: str, target: Target, work: Work, vcr: Cassette
) -> None:
    text = "Grüße, 世界! Ποῦ; \N{SLIGHTLY SMILING FACE} \N{BULLET} مرحبا"
    question = [{"role": "user", "content": f"Repeat exactly: {text}"}]

    made = stream(target, question, work, limit_s=60, temperature=0, max_tokens=80)

    assert text in json.dumps(body(vcr), ensure_ascii=False)
    assert any(ord(letter) > 127 for letter in made.text)
    assert "\N{REPLACEMENT CHARACTER}" not in made.text
