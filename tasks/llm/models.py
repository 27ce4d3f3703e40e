"""From a route's model name to what LiteLLM is told: model, address, key and limits."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from config.minds import EMBEDDED_MODEL
from config.settings import PROVIDER_KEYS, get_settings
from tasks.llm.library import HTTP, litellm
from tasks.policies import EMBEDDED_IDLE_LIMIT_S, GENERATE

# A model that LiteLLM's table does not know is taken to hold this many tokens.
UNKNOWN_CONTEXT_TOKENS: Final = 8192
ADDRESS_VARIABLES: Final = {
    "openai": "OPENAI_API_BASE",
    "anthropic": "ANTHROPIC_API_BASE",
    "embedded": "EMBEDDED_MODEL_URL",
}


@dataclass(frozen=True)
class Target:
    """Where a call goes. `provider` names its breaker; `context_tokens` holds prompt and answer.

    A call may be silent for `first_byte_limit_s` before its first text, and for `idle_limit_s`
    after it. An answer is cut at `most_chars`.
    """

    name: str
    provider: str
    litellm_model: str
    api_base: str | None
    api_key: str
    context_tokens: int
    idle_limit_s: float
    first_byte_limit_s: float = 600
    most_chars: int = 400_000

    @property
    def protocol(self) -> str:
        """How its provider is spoken to: `openai`, `anthropic` or `gemini`."""
        return self.litellm_model.split("/", 1)[0]

    @property
    def address_variable(self) -> str | None:
        """The variable that says where its provider is."""
        return ADDRESS_VARIABLES.get(self.provider)

    @property
    def key_variable(self) -> str | None:
        """The variable that holds its provider's key."""
        return PROVIDER_KEYS.get(self.provider)

    def call(self) -> dict[str, Any]:
        """The arguments of `litellm.completion` that say where it goes, its own retries off."""
        arguments: dict[str, Any] = {
            "model": self.litellm_model,
            "api_base": self.api_base,
            "api_key": self.api_key,
            "num_retries": 0,
            "max_retries": 0,
        }
        if not self.litellm_model.startswith("openai/"):  # that one has its client from library.py
            arguments["client"] = HTTP
        return arguments


def target(name: str) -> Target:
    """The target of a model of the routes, such as `openai/gpt-5.4-mini`."""
    settings = get_settings()
    provider = name.split("/", 1)[0]
    if name == EMBEDDED_MODEL:
        return Target(
            name=name,
            provider=provider,
            litellm_model=name.replace("embedded/", "openai/", 1),
            api_base=f"{(settings.embedded_model_url or '').rstrip('/')}/v1",
            api_key="embedded",
            context_tokens=settings.embedded_model_context,
            idle_limit_s=EMBEDDED_IDLE_LIMIT_S,
            first_byte_limit_s=settings.first_byte_limit_s,
            most_chars=settings.max_answer_chars,
        )
    bases = {"openai": settings.openai_api_base, "anthropic": settings.anthropic_api_base}
    return Target(
        name=name,
        provider=provider,
        litellm_model=name,
        api_base=bases.get(provider),
        api_key=settings.provider_key(provider) or "",
        context_tokens=_context_tokens(name),
        idle_limit_s=GENERATE.idle_limit_s,
        first_byte_limit_s=settings.first_byte_limit_s,
        most_chars=settings.max_answer_chars,
    )


@lru_cache(maxsize=256)
def _context_tokens(name: str) -> int:
    known = litellm.model_cost.get(name) or litellm.model_cost.get(name.split("/", 1)[1]) or {}
    return int(known.get("max_input_tokens") or UNKNOWN_CONTEXT_TOKENS)
