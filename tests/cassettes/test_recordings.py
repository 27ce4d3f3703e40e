"""The cassette files: no secrets, no paths, none missing, none unused."""

import ast
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.logging import SECRET

HERE = Path(__file__).parent
CASSETTES = HERE.parents[1] / "cassettes"
PROVIDERS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")
CREDENTIAL = re.compile(
    r"authorization|x-api-key|x-goog-api-key|cookie|openai-organization|anthropic-organization"
    r"|stainless|user-agent|[?&]key=|\borg-\w{8}|\bBearer\b",
    re.IGNORECASE,
)
PATH = re.compile(
    r"(?<![\w/.:])/(?:app|builds?|etc|home|mnt|opt|private|root|srv|tmp|usr|Users|var|work)/"
    r"|\b[A-Z]:\\|\.gguf\b|site-packages"
)


def expected(kinds: dict[str, tuple[str, ...]]) -> set[str]:
    """The cassettes that the tests of the neighbouring modules need."""
    names: set[str] = set()
    for module in set(HERE.glob("test_*.py")) - {Path(__file__)}:
        for test in ast.parse(module.read_text("utf-8")).body:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                arguments = {argument.arg for argument in test.args.args}
                (argument,) = arguments & kinds.keys()
                names |= {f"{module.stem}/{test.name}[{p}].yaml" for p in kinds[argument]}
    return names


def recorded() -> set[str]:
    """The cassettes that exist."""
    return {file.relative_to(CASSETTES).as_posix() for file in CASSETTES.rglob("*.yaml")}


@pytest.fixture
def texts() -> dict[str, str]:
    """The text of each cassette."""
    return {name: (CASSETTES / name).read_text("utf-8") for name in recorded()}


@pytest.fixture
def cassettes(texts: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each cassette, parsed."""
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def test_every_test_has_its_cassettes(kinds: dict[str, tuple[str, ...]]) -> None:
    assert expected(kinds) - recorded() == set()


def test_no_cassette_is_left_over(kinds: dict[str, tuple[str, ...]]) -> None:
    def test_of(name: str) -> str:
        return re.sub(r"\[\w+\]\.yaml$", "", name)

    assert {test_of(n) for n in recorded()} - {test_of(n) for n in expected(kinds)} == set()


def test_no_secret_is_in_a_cassette(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        assert SECRET.search(text) is None, name
        assert CREDENTIAL.search(text) is None, name


def test_nothing_of_the_machine_is_in_a_cassette(texts: dict[str, str]) -> None:
    host = re.compile(rf"(?<!\w)(?!localhost){re.escape(socket.gethostname())}(?!\w)")
    for name, text in texts.items():
        assert PATH.search(text) is None, name
        assert host.search(text) is None, name


def test_a_cassette_says_which_server_it_came_from(cassettes: dict[str, dict[str, Any]]) -> None:
    for name, cassette in cassettes.items():
        server = cassette["server"]
        assert set(server) == {"name", "url", "model", "protocol"}, name
        assert all(server.values()), name
        host = server["url"].split("/")[2]
        assert host in PROVIDERS or re.fullmatch(r"127\.0\.0\.1:\d+", host), name
        assert cassette["interactions"], name
        asked = [interaction["request"]["uri"] for interaction in cassette["interactions"]]
        assert all(uri.startswith(server["url"]) for uri in asked), name


def test_a_cassette_can_be_read_by_people(cassettes: dict[str, dict[str, Any]]) -> None:
    for name, cassette in cassettes.items():
        for interaction in cassette["interactions"]:
            assert isinstance(interaction["request"]["body"], str), name
            assert isinstance(interaction["response"]["body"]["string"], str), name


@pytest.mark.block_network
def test_a_replay_can_reach_nothing_not_even_this_machine() -> None:
    with (
        socket.socket() as client,
        pytest.raises(RuntimeError, match="Network is disabled"),
    ):
        client.connect(("127.0.0.1", 9))
