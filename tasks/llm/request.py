"""Write the request of a call with LiteLLM's configuration class for its provider.

These are the classes that `litellm.completion` uses, asked in the same order, so the request is the
same; what `completion` does around them takes several times as long as the call. What requests have
in common (the address, the headers, the parameters in the provider's words) is made once.
"""

import json
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import httpx

from tasks.llm.library import (
    LlmProviders,
    ProviderConfigManager,
    VertexBase,
    filter_anthropic_betas,
    get_optional_params,
    transform_gemini_request,
)
from tasks.llm.models import Target
from tasks.llm.outgoing import Head, Outgoing
from tasks.llm.reading import Messages

# Makes a body of messages and parameters, both of which it may change.
Write = Callable[[Messages, dict[str, Any]], Any]
# An address, headers, and what writes a body.
Written = tuple[str, dict[str, str], Write]

# LiteLLM's own variables for addresses, where ours are unset, and the providers' addresses.
_ADDRESSES: Final = {
    "openai": ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "anthropic": ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    "gemini": ("GEMINI_API_BASE", "https://generativelanguage.googleapis.com/v1beta"),
}
# Compression would delay a stream until there is enough to compress.
_ALWAYS: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": f"python-httpx/{httpx.__version__}",
}
_MESSAGES_PATH: Final = "/v1/messages"
_HELLO: Final[Messages] = [{"role": "user", "content": "Hello"}]
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Parameters:
    """What a call asks for. `schema` is the JSON text of the schema of the answer."""

    max_tokens: int | None = None
    temperature: float | None = None
    schema: str | None = None
    stream: bool = False

    def arguments(self) -> dict[str, Any]:
        """These parameters, as arguments of `litellm.completion`."""
        found: dict[str, Any] = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        if self.stream:
            found |= {"stream": True, "stream_options": {"include_usage": True}}
        if self.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": json.loads(self.schema)}
            found["response_format"] = {"type": "json_schema", "json_schema": schema}
        return found


@dataclass(frozen=True)
class Form:
    """What the requests of a model with the same parameters have in common.

    Attributes:
        parameters: the parameters in the provider's words, as JSON text.
        config: LiteLLM's configuration of the provider.
    """

    head: Head
    parameters: str
    config: Any
    write: Write

    def request(self, messages: Messages, limit_s: float) -> Outgoing:
        """Return a request for the answer to these messages."""
        body = self.write([dict(each) for each in messages], json.loads(self.parameters))
        return Outgoing(self.head, _encode(body).encode(), limit_s)


@lru_cache(maxsize=256)
def form(target: Target, asked: Parameters) -> Form:
    """Return the form of this target's requests with these parameters."""
    protocol, model = target.litellm_model.split("/", 1)
    config = ProviderConfigManager.get_provider_chat_config(model, LlmProviders(protocol))
    given = get_optional_params(model, custom_llm_provider=protocol, **asked.arguments())
    url, headers, write = _WRITERS[protocol](target, model, config, given)
    head = Head.of(httpx.URL(url), httpx.Headers(_ALWAYS | headers))
    return Form(head, json.dumps(given), config, write)


def _openai(target: Target, model: str, config: Any, given: dict[str, Any]) -> Written:
    given.pop("extra_body", None)  # empty, for OpenAI's package
    if not given.get("stream") or config.should_fake_stream(model, True, "openai"):
        for name in ("stream", "stream_options"):
            given.pop(name, None)
    context = {"custom_llm_provider": "openai", "api_base": target.api_base}
    url = config.get_complete_url(_address(target), target.api_key, model, given, context)
    headers = config.validate_environment({}, model, _HELLO, given, context, target.api_key)

    def write(messages: Messages, parameters: dict[str, Any]) -> Any:
        return config.transform_request(model, messages, parameters, context, {})

    return url, headers | _openai_account(), write


def _anthropic(target: Target, model: str, config: Any, given: dict[str, Any]) -> Written:
    given.pop("json_mode", None)  # meant for LiteLLM's reader
    address = _address(target).rstrip("/")
    url = address if address.endswith(_MESSAGES_PATH) else address + _MESSAGES_PATH
    headers = config.validate_environment({}, model, _HELLO, dict(given), {}, target.api_key, url)
    # This adds headers for what the parameters use.
    body = config.transform_request(model, list(_HELLO), deepcopy(given), {}, headers)
    headers, _ = filter_anthropic_betas(headers, body, "anthropic")

    def write(messages: Messages, parameters: dict[str, Any]) -> Any:
        return config.transform_request(model, messages, parameters, {}, {})

    return url, headers, write


def _gemini(target: Target, model: str, config: Any, given: dict[str, Any]) -> Written:
    key, url = VertexBase().get_token_and_url(
        model=model,
        auth_header=None,
        gemini_api_key=target.api_key,
        vertex_project=None,
        vertex_location=None,
        vertex_credentials=None,
        stream=given.pop("stream", None),
        custom_llm_provider="gemini",
        api_base=_address(target),
    )
    headers = config.validate_environment({}, model, _HELLO, given, {}, key)

    def write(messages: Messages, parameters: dict[str, Any]) -> Any:
        return transform_gemini_request(messages, model, parameters, "gemini", {}, None)

    return url, headers, write


_WRITERS: Final = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


def _openai_account() -> dict[str, str]:
    """The headers that OpenAI's package reads from variables: the account, if a key belongs to
    several, and the operator's own."""
    account = {
        "OpenAI-Organization": _first("OPENAI_ORGANIZATION", "OPENAI_ORG_ID"),
        "OpenAI-Project": _first("OPENAI_PROJECT_ID"),
    }
    own = (line.partition(":") for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n"))
    found = {name: value for name, value in account.items() if value}
    return found | {name.strip(): value.strip() for name, colon, value in own if colon}


def _address(target: Target) -> str:
    variable, default = _ADDRESSES[target.protocol]
    return target.api_base or _first(variable) or default


def _first(*variables: str) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)
