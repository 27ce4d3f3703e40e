"""The minds file is validated at boot, and each mistake is named."""

from pathlib import Path
from typing import Any

import pytest

from config.minds import BUILT_IN, EMBEDDED_MODEL, MANAGER, read_minds, with_keys
from config.settings import Settings, SettingsError

REQUIRED = {
    "database_url": "postgresql://u@db/app",
    "redis_url": "redis://redis:6379/0",
    "shared_secret": "s" * 32,
}
FILE = """
default_mind = "sage"
intent_models = ["openai/small"]
[intents]
coding = "asks for code"
other = "none of these"
[routes]
quick = ["openai/small", "anthropic/small"]
careful = ["anthropic/large"]
[minds.sage]
title = "The Sage"
system_prompt = "Be exact."
[minds.sage.routes]
default = "quick"
coding = "careful"
"""


MANAGED = """
[manager]
title = "The Editor"
system_prompt = "Make one of them."
[manager.routes]
default = "careful"
"""


def settings(**values: str) -> Settings:
    given: dict[str, Any] = {**REQUIRED, **values}
    return Settings(_env_file=None, **given)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "minds.toml"
    path.write_text(text)
    return path


def test_the_built_in_file_has_three_minds_and_every_intent_of_the_design() -> None:
    minds = read_minds(BUILT_IN)
    assert len(minds.minds) == 3
    assert list(minds.intents) == [
        "greeting",
        "question",
        "coding",
        "math",
        "reasoning",
        "writing",
        "extraction",
        "other",
    ]


def test_a_route_is_chosen_by_intent_and_else_by_default(tmp_path: Path) -> None:
    minds = read_minds(written(tmp_path, FILE))
    keys = settings(anthropic_api_key="a", openai_api_key="o")
    assert minds.route("sage", "coding", keys) == ("anthropic/large",)
    assert minds.route("sage", "other", keys) == ("openai/small", "anthropic/small")


def test_the_manager_has_its_own_table_and_is_none_of_the_minds(tmp_path: Path) -> None:
    minds = read_minds(written(tmp_path, FILE + MANAGED))
    keys = settings(anthropic_api_key="a", openai_api_key="o")
    assert minds.mind(MANAGER).title == "The Editor"
    assert minds.route(MANAGER, "other", keys) == ("anthropic/large",)
    assert list(minds.minds) == ["sage"]


def test_without_a_table_the_manager_has_the_default_minds_routes(tmp_path: Path) -> None:
    minds = read_minds(written(tmp_path, FILE))
    keys = settings(anthropic_api_key="a", openai_api_key="o")
    assert minds.mind(MANAGER).system_prompt
    for intent in ("coding", "other"):
        assert minds.route(MANAGER, intent, keys) == minds.route("sage", intent, keys)


def test_a_mind_of_the_managers_name_is_refused(tmp_path: Path) -> None:
    text = FILE.replace("sage", "manager")
    with pytest.raises(SettingsError, match=r"\[minds.manager\] the name is reserved .* use "):
        read_minds(written(tmp_path, text))


def test_a_mistake_in_the_managers_routes_is_named(tmp_path: Path) -> None:
    text = FILE + MANAGED.replace("careful", "slow")
    with pytest.raises(SettingsError, match=r"\[manager.routes\] unknown route 'slow'; use "):
        read_minds(written(tmp_path, text))


def test_models_without_a_key_are_left_out() -> None:
    models = ("openai/small", "anthropic/small")
    assert with_keys(models, settings(anthropic_api_key="a")) == ("anthropic/small",)


def test_without_any_provider_key_every_route_ends_at_the_embedded_model() -> None:
    models = ("openai/small", "anthropic/small")
    assert with_keys(models, settings(embedded_model_url="http://m")) == (EMBEDDED_MODEL,)
    assert with_keys(models, settings()) == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('default = "quick"', 'default = "slow"', r"unknown route 'slow'; use 'quick' or"),
        ('default_mind = "sage"', 'default_mind = "owl"', r"'owl' is not a mind; use 'sage'"),
        ('coding = "careful"', 'cooking = "careful"', r"unknown intent 'cooking'; use 'coding'"),
        ('default = "quick"\n', "", r"lacks 'default'; add default ="),
        ('"anthropic/large"', '"acme/large"', r"'acme/large' has no known provider; use <prov"),
        ('other = "none of these"\n', "", r"\[intents\] lacks 'other'"),
        ('title = "The Sage"', "titel = 1", r"minds.sage.title Field required"),
        ('careful = ["anthropic/large"]', "careful = []", r"routes.careful .*at least 1"),
        ("[routes]", "[routes", r"is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_to_write(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in FILE
    with pytest.raises(SettingsError, match=f"MINDS_FILE: (.|\n)*{says}"):
        read_minds(written(tmp_path, FILE.replace(old, new, 1)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"MINDS_FILE: .*gone.toml cannot be read"):
        read_minds(tmp_path / "gone.toml")


def test_the_version_changes_with_the_table(tmp_path: Path) -> None:
    one = read_minds(written(tmp_path, FILE)).version
    other = read_minds(written(tmp_path, FILE.replace("openai/small", "openai/new"))).version
    assert one == read_minds(written(tmp_path, FILE)).version
    assert one != other
