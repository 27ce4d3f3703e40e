"""The target of a call, by the model's name."""

import pytest

from config.minds import EMBEDDED_MODEL, get_minds
from config.settings import get_settings
from tasks.llm.models import UNKNOWN_CONTEXT_TOKENS, target


def test_the_embedded_model_is_called_by_openais_protocol(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("EMBEDDED_MODEL_URL", "http://127.0.0.1:8080/")
    settings.setenv("EMBEDDED_MODEL_CONTEXT", "2048")

    to = target(EMBEDDED_MODEL)

    assert (to.provider, to.litellm_model) == ("embedded", "openai/smollm2-135m-instruct")
    assert to.api_base == "http://127.0.0.1:8080/v1"
    assert to.context_tokens == 2048


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai/gpt-5.4-mini", "OPENAI_API_KEY"),
        ("anthropic/claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-flash", "GOOGLE_API_KEY"),
    ],
)
def test_a_provider_is_called_with_its_own_key(
    name: str, variable: str, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv(variable, "its-key")

    to = target(name)

    assert (to.name, to.litellm_model, to.provider) == (name, name, name.split("/")[0])
    assert to.api_key == "its-key"
    assert to.api_base is None


def test_a_base_address_that_is_set_is_used(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("OPENAI_API_BASE", "http://127.0.0.1:1/v1")
    settings.setenv("ANTHROPIC_API_BASE", "http://127.0.0.1:2")

    assert target("openai/gpt-5.4-mini").api_base == "http://127.0.0.1:1/v1"
    assert target("anthropic/claude-haiku-4-5").api_base == "http://127.0.0.1:2"


def test_a_model_that_the_table_does_not_know_is_taken_to_be_small(
    settings: pytest.MonkeyPatch,
) -> None:
    assert target("openai/no-such-model").context_tokens == UNKNOWN_CONTEXT_TOKENS


def test_a_route_leaves_out_the_models_without_a_key(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("ANTHROPIC_API_KEY", "its-key")

    route = get_minds().route("sage", "coding", get_settings())

    assert route
    assert all(model.startswith("anthropic/") for model in route)
