"""Which model answers."""

import pytest

from app.http.problems import Refusal
from app.openai.errors import openai_body, openai_status
from app.openai.responses.model import Choice, choose
from config.minds import EMBEDDED_MODEL, get_minds
from config.settings import get_settings

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture
def chosen(monkeypatch):
    """`chosen(name, VARIABLE=value)`: the model for a name, with these variables."""

    def choose_by(name: str | None, **variables: str) -> Choice:
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        get_settings.cache_clear()
        return choose(name, get_minds(), get_settings())

    return choose_by


KEYS = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        (None, Choice()),
        ("auto", Choice(mind="sage")),
        ("muse", Choice(mind="muse")),
        ("openai/gpt-5.4-mini", Choice(model="openai/gpt-5.4-mini")),
        ("gpt-5.4-mini", Choice(model="openai/gpt-5.4-mini")),
        ("claude-sonnet-4-6", Choice(model="anthropic/claude-sonnet-4-6")),
        (EMBEDDED_MODEL, Choice(model=EMBEDDED_MODEL)),
    ],
)
def test_a_model_is_a_mind_or_a_model_of_the_routes_or_auto(chosen, name, choice):
    assert chosen(name, **KEYS) == choice


def test_with_no_provider_the_embedded_model_is_there_under_its_name_alone(chosen):
    assert chosen("smollm2-135m-instruct") == Choice(model=EMBEDDED_MODEL)


@pytest.mark.parametrize(
    "name", ["gpt-4o", "openai/gpt-4o", "gemini/gemini-2.5-pro", "", "Sage", "mini", "AUTO"]
)
def test_a_model_that_is_not_there_or_has_no_key_is_refused(chosen, name):
    with pytest.raises(Refusal) as refused:
        chosen(name, **KEYS)

    problem = refused.value.problem
    assert openai_status(problem) == 400
    error = openai_body(problem).error
    assert (error.param, error.code) == ("model", "model_not_found")
    assert "muse" in problem.detail
    assert "openai/gpt-5.4-mini" in problem.detail


def test_a_name_that_two_providers_have_is_refused(chosen, tmp_path):
    text = '[routes]\nboth = ["openai/m", "anthropic/m"]\n[intents]\nother = "x"\n'
    mind = '[minds.one]\ntitle = "One"\nsystem_prompt = "x"\nroutes = {default = "both"}\n'
    minds = tmp_path / "minds.toml"
    minds.write_text(f'default_mind = "one"\n{text}{mind}')
    get_minds.cache_clear()

    with pytest.raises(Refusal):
        chosen("m", MINDS_FILE=str(minds), **KEYS)
    assert chosen("openai/m") == Choice(model="openai/m")
