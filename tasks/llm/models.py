"""Map a route's model name to a call's target: LiteLLM's model, URL, key and limits."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from config.minds import EMBEDDED_MODEL
from config.settings import PROVIDER_KEYS, get_settings
from tasks.llm.library import litellm
from tasks.policies import EMBEDDED_IDLE_LIMIT_S, GENERATE

# The assumed context window of a model that LiteLLM's table does not list.
UNKNOWN_CONTEXT_TOKENS: Final = 8192
ADDRESS_VARIABLES: Final = {
    "openai": "OPENAI_API_BASE",
    "anthropic": "ANTHROPIC_API_BASE",
    "embedded": "EMBEDDED_MODEL_URL",
}


@dataclass(frozen=True)
class Target:
    """The target of a call.

    Attributes:
        provider: also the name of its breaker.
        context_tokens: the context window, for prompt and answer together.
        idle_limit_s: how long a call may be silent after its first text.
        first_byte_limit_s: how long a call may be silent before its first text.
        max_chars: where an answer is cut off.
    """

    name: str
    provider: str
    litellm_model: str
    api_base: str | None
    api_key: str
    context_tokens: int
    idle_limit_s: float
    first_byte_limit_s: float = 600
    max_chars: int = 400_000

    @property
    def protocol(self) -> str:
        """The provider's protocol: `openai`, `anthropic` or `gemini`."""
        return self.litellm_model.split("/", 1)[0]

    @property
    def address_variable(self) -> str | None:
        """The variable that holds the provider's URL."""
        return ADDRESS_VARIABLES.get(self.provider)

    @property
    def key_variable(self) -> str | None:
        """The variable that holds the provider's key."""
        return PROVIDER_KEYS.get(self.provider)


def target(name: str) -> Target:
    """Return the target of a route's model, such as `openai/gpt-5.4-mini`."""
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
            max_chars=settings.max_answer_chars,
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
        max_chars=settings.max_answer_chars,
    )


@lru_cache(maxsize=256)
def _context_tokens(name: str) -> int:
    known = litellm.model_cost.get(name) or litellm.model_cost.get(name.split("/", 1)[1]) or {}
    return int(known.get("max_input_tokens") or UNKNOWN_CONTEXT_TOKENS)
