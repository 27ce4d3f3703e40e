"""A request is the one that LiteLLM's `completion` sends, for every model of the configuration."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import litellm
import openai
import pytest
from litellm.llms.custom_httpx.http_handler import HTTPHandler

from config.minds import BUILT_IN, EMBEDDED_MODEL, read_minds
from models.errors import ProviderUnavailable
from tasks.execution.work import Work
from tasks.llm.gateway import ask_json, stream
from tasks.llm.models import Target
from tasks.llm.request import Parameters, form
from tests.unit.tasks.llm.odd import Handler, sends

Serve = Callable[[Callable[[Handler], None]], str]

# Beside the configured ones: other families of parameters, and names that LiteLLM does not know.
OTHERS = (
    "openai/gpt-4o",
    "openai/gpt-4.1-mini",
    "openai/gpt-4",
    "openai/o1",
    "openai/o3-mini",
    "openai/gpt-5-search-api",
    "openai/org/open-model",
    "openai/m",
    "anthropic/claude-3-5-haiku-20241022",
    "anthropic/claude-opus-4-1",
    "anthropic/m",
    "gemini/gemini-2.0-flash",
    "gemini/gemini-3-pro-preview",
    "gemini/m",
)
TALK = [
    {"role": "system", "content": "Be brief. \u2028 <|endoftext|>"},
    {"role": "user", "content": "Grüße, 世界! \N{SLIGHTLY SMILING FACE}"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": '"What" \\ is it?\n'},
]
ALONE = [{"role": "user", "content": "Hello"}]
SCHEMA = {
    "type": "object",
    "properties": {"intent": {"type": "string", "enum": ["a", "b"]}, "sure": {"type": "number"}},
    "required": ["intent", "sure"],
    "additionalProperties": False,
}
# What says who sends it, and how it travels.
TRAVEL = {"user-agent", "accept", "accept-encoding", "connection", "host", "content-length"}


def configured() -> list[str]:
    minds = read_minds(BUILT_IN)
    routes = {model for models in minds.routes.values() for model in models}
    return sorted({*minds.intent_models, *routes} - {EMBEDDED_MODEL})


class Provider:
    """A server that refuses everything, and keeps what it was sent."""

    def __init__(self, serve: Serve) -> None:
        self.sent: list[tuple[str, dict[str, str], Any]] = []
        self.url = serve(self._answer)

    def _answer(self, handler: Handler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        told = {k: v for k, v in headers.items() if k not in TRAVEL and "stainless" not in k}
        self.sent.append((handler.path, told, json.loads(handler.rfile.read())))
        sends(b"{}", kind="application/json", status=500)(handler)

    def target(self, name: str) -> Target:
        """The model at this server's address, which is written as each provider's is."""
        protocol = name.split("/")[0]
        base = self.url + {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}[protocol]
        return Target(name, protocol, name, base, "the-key", 4096, 5)

    def completion(self, name: str, messages: list[dict[str, str]], asked: Parameters) -> None:
        """Send the request that LiteLLM would send."""
        target = self.target(name)
        client = None if target.protocol == "openai" else HTTPHandler(client=CLIENT)
        arguments = {"api_base": target.api_base, "api_key": target.api_key, "client": client}
        limits = {"num_retries": 0, "max_retries": 0, "timeout": 20.0}
        with pytest.raises(openai.OpenAIError):
            # It sends some only when the answer is read.
            list(litellm.completion(name, messages, **arguments, **limits, **asked.arguments()))


CLIENT = httpx.Client(trust_env=False)


@pytest.fixture
def provider(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(litellm, "client_session", CLIENT)  # a setting of LiteLLM's
    form.cache_clear()
    yield Provider(serve)
    form.cache_clear()


@pytest.mark.parametrize("model", [*configured(), *OTHERS])
@pytest.mark.parametrize("messages", [TALK, ALONE], ids=["talk", "alone"])
def test_a_streams_request_is_that_of_completion(
    model: str, messages: list[dict[str, str]], provider: Provider, work: Work
) -> None:
    for temperature in (0.7, 0.0):
        asked = Parameters(300, temperature, stream=True)
        provider.completion(model, messages, asked)
        with pytest.raises(ProviderUnavailable):
            stream(
                provider.target(model),
                messages,
                work,
                limit_s=20,
                temperature=temperature,
                max_tokens=300,
            )

        theirs, ours = provider.sent[-2:]
        assert ours == theirs
    assert len(provider.sent) == 4  # nothing is retried


@pytest.mark.parametrize("model", [*configured(), *OTHERS])
def test_a_decisions_request_is_that_of_completion(model: str, provider: Provider) -> None:
    asked = Parameters(60, 0, schema=json.dumps(SCHEMA))
    provider.completion(model, TALK, asked)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            ask_json(provider.target(model), TALK, SCHEMA, limit_s=20, max_tokens=60)

    theirs, first, second = provider.sent
    assert first == theirs
    assert second == theirs


def test_the_account_and_the_operators_headers_are_sent(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: blue\nX-Empty:\nnothing")
    asked = Parameters(60, 0, schema=json.dumps(SCHEMA))
    provider.completion("openai/gpt-5.4-mini", TALK, asked)
    with pytest.raises(ProviderUnavailable):
        ask_json(provider.target("openai/gpt-5.4-mini"), TALK, SCHEMA, limit_s=20, max_tokens=60)

    theirs, ours = provider.sent
    assert ours == theirs
    assert ours[1]["x-team"] == "blue"


@pytest.mark.parametrize(
    ("protocol", "variable", "url"),
    [
        ("openai", "OPENAI_BASE_URL", "http://gate/v1/chat/completions"),
        ("anthropic", "ANTHROPIC_BASE_URL", "http://gate/v1/messages"),
        ("gemini", "GEMINI_API_BASE", "http://gate/v1/models/m:streamGenerateContent?alt=sse"),
    ],
)
def test_an_address_of_litellms_own_variables_is_used(
    protocol: str, variable: str, url: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(f"{protocol}/m", protocol, f"{protocol}/m", None, "the-key", 4096, 5)
    base = "http://gate/v1" if protocol != "anthropic" else "http://gate"
    monkeypatch.setenv(variable, base)

    assert str(form(target, Parameters(stream=True)).head.url) == url


@pytest.mark.parametrize(
    ("protocol", "url"),
    [
        ("openai", "https://api.openai.com/v1/chat/completions"),
        ("anthropic", "https://api.anthropic.com/v1/messages"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"),
    ],
)
def test_without_a_variable_a_request_goes_to_the_provider(
    protocol: str, url: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GEMINI_API_BASE"):
        monkeypatch.delenv(variable, raising=False)
    target = Target(f"{protocol}/m", protocol, f"{protocol}/m", None, "the-key", 4096, 5)

    assert str(form(target, Parameters()).head.url) == url


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
def test_a_request_leaves_what_it_was_made_of_unchanged(protocol: str) -> None:
    target = Target(f"{protocol}/m", protocol, f"{protocol}/m", None, "the-key", 4096, 5)
    made = form(target, Parameters(60, 0, schema=json.dumps(SCHEMA)))
    messages = [dict(each) for each in TALK]

    first, second = made.request(messages, 5), made.request(messages, 5)

    assert messages == TALK
    assert first.bytes() == second.bytes()
