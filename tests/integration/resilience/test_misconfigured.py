"""Where a misconfigured provider is reported, and for how long."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from app.cli import main
from app.ops.metrics import wrongly_set_up
from app.ops.readiness import show_misconfigured
from config.redis import redis_client
from deploy.embedded.supervisor import Supervisor
from models.errors import ProviderMisconfigured
from tasks.resilience.misconfigured import KEY, REMEMBERED_S, Reporter, misconfigured

MODEL, SIBLING, OTHER = "openai/gpt", "openai/gpt-mini", "anthropic/claude"
WRONG_KEY = ProviderMisconfigured("openai/gpt refuses us.", variable="OPENAI_API_KEY")
NO_MODEL = ProviderMisconfigured(
    "openai/gpt is not known.", variable="MINDS_FILE (the model's name), OPENAI_API_KEY"
)

Until = Callable[..., None]


@pytest.fixture(autouse=True)
def nothing_known(environment: object, until: Until) -> Iterator[None]:
    redis_client().delete(KEY)
    yield
    redis_client().delete(KEY)


def names() -> list[str]:
    return [each.name for each in misconfigured()]


def found_by_doctor() -> dict[str, Any]:
    said = CliRunner().invoke(main, ["doctor", "--json"]).stdout
    checks = json.loads(said[said.index("{\n") :])["checks"]  # after what this process logs
    found: dict[str, Any] = next(check for check in checks if check["name"] == "providers")
    return found


def test_a_wrong_key_is_reported_with_provider_and_variable_everywhere() -> None:
    Reporter().failed(MODEL, WRONG_KEY)

    assert show_misconfigured() == {"openai": "OPENAI_API_KEY"}
    [sample] = wrongly_set_up(misconfigured()).samples
    assert sample.labels == {"provider": "openai", "variable": "OPENAI_API_KEY"}
    assert found_by_doctor() == {
        "name": "providers",
        "state": "missing",
        "found": WRONG_KEY.message,
        "to_do": "fix OPENAI_API_KEY and restart the workers",
    }


def test_a_model_that_is_not_known_says_nothing_of_its_siblings() -> None:
    reporter = Reporter()
    reporter.failed(MODEL, NO_MODEL)
    reporter.succeeded(SIBLING)

    assert names() == [MODEL]


@pytest.mark.parametrize("error", [WRONG_KEY, NO_MODEL])
def test_a_successful_call_clears_the_report(error: ProviderMisconfigured) -> None:
    Reporter().failed(MODEL, error)
    Reporter().succeeded(OTHER)
    assert len(names()) == 1
    Reporter().succeeded(MODEL)  # by another process, such as a restarted worker

    assert names() == []


def test_a_process_that_is_served_takes_it_back_after_it_met_it_again() -> None:
    reporter = Reporter()
    for _ in range(2):
        reporter.failed(MODEL, WRONG_KEY)
        assert names() == ["openai"]
        reporter.succeeded(MODEL)
        assert names() == []


def test_of_many_calls_that_go_well_only_the_first_asks_redis() -> None:
    reporter = Reporter()
    reporter.succeeded(MODEL)
    client = redis_client()
    before = client.info("commandstats")["cmdstat_hdel"]["calls"]
    for _ in range(100):
        reporter.succeeded(MODEL)

    assert client.info("commandstats")["cmdstat_hdel"]["calls"] == before


def test_a_report_that_is_not_repeated_expires() -> None:
    Reporter().failed(MODEL, WRONG_KEY)

    assert 0 < redis_client().ttl(KEY) <= REMEMBERED_S


def test_an_unreadable_entry_is_skipped() -> None:
    Reporter().failed(MODEL, WRONG_KEY)
    for name, entry in (("a", "{"), ("b", "{}"), ("c", "[]"), ("d", "null")):
        redis_client().hset(KEY, name, entry)

    assert names() == ["openai"]


def test_without_redis_calls_go_on_and_nothing_is_shown(supervisor: Supervisor) -> None:
    reporter = Reporter()
    supervisor.kill("redis")
    reporter.failed(MODEL, WRONG_KEY)
    reporter.succeeded(OTHER)

    assert show_misconfigured() == {}
    with pytest.raises(redis.ConnectionError):
        misconfigured()
    assert found_by_doctor()["state"] == "optional"
    supervisor.restart("redis")
