"""The price of a call, by the price list in LiteLLM's wheel."""

from dataclasses import replace
from decimal import Decimal

import pytest

from config.minds import EMBEDDED_MODEL, get_minds
from tasks.llm.cost import cost_usd
from tasks.llm.library import litellm
from tasks.llm.models import target
from tasks.llm.reading import priced


@pytest.fixture(autouse=True)
def _settings(settings: pytest.MonkeyPatch) -> None:
    """Settings without servers or keys."""


def test_every_model_of_the_routes_has_a_price_and_a_context() -> None:
    minds = get_minds()
    for name in {model for models in minds.routes.values() for model in models} | set(
        minds.intent_models
    ):
        if name != EMBEDDED_MODEL:
            assert cost_usd(target(name), 1_000_000, 1_000_000) > 0, name
            assert target(name).context_tokens > 100_000, name


def test_input_and_output_have_prices_of_their_own() -> None:
    haiku = target("anthropic/claude-haiku-4-5")
    price = litellm.model_cost["claude-haiku-4-5"]

    assert cost_usd(haiku, 1000, 0) == 1000 * Decimal(str(price["input_cost_per_token"]))
    assert cost_usd(haiku, 0, 1000) == 1000 * Decimal(str(price["output_cost_per_token"]))
    assert cost_usd(haiku, 1, 1).as_tuple().exponent == -6


def test_the_embedded_model_costs_nothing() -> None:
    assert cost_usd(target(EMBEDDED_MODEL), 1_000_000, 1_000_000) == 0


def test_a_model_without_a_price_is_taken_to_cost_nothing() -> None:
    unknown = replace(target("openai/gpt-5.4-mini"), litellm_model="openai/no-such-model")

    assert cost_usd(unknown, 1_000_000, 1_000_000) == 0


@pytest.mark.parametrize("text", ["Hello, how are you?", "", "<|endoftext|> Grüße, 世界!"])
def test_tokens_are_counted_as_by_litellm(text: str) -> None:
    spent = priced(target("openai/gpt-4"), [{"role": "user", "content": text}] * 2, None, 5)

    told = [{"role": "user", "content": text}] * 2
    assert spent.input_tokens == litellm.token_counter(model="gpt-4", messages=told)
    assert spent.output_tokens == 5
