"""The output of a first `trimind up`, and the first jobs of its stack."""

import json
import stat
from collections.abc import Callable

import httpx
import pytest

from trimind import ApiError, Client

from .conftest import FlowerPage, Stack

PROSE = (
    "The river rises in the hills behind the old town and runs for many miles through quiet "
    "meadows, where people have lived from fishing and weaving since the earliest days. In the "
    "spring it carries the melted snow of the mountains, and the bridges have to be watched by "
    "night. In the summer children swim below the mill, whose wheel has not turned for a hundred "
    "years. Merchants used to come up by boat as far as the market, bringing salt and cloth and "
    "news from the coast, and went home with wool. Today there is a railway, and the boats lie on "
    "the bank and are painted for the visitors. What should the town do with the old mill?"
)


def test_it_shows_every_stage_of_a_first_message(stack: Stack) -> None:
    shown = stack.output
    places = [shown.index(f"|   {stage}") for stage in ("intent", "compress", "generate")]
    assert places == sorted(places)
    assert "|   persist   completed" in shown


def test_it_prints_the_answer_and_its_receipt(stack: Stack) -> None:
    with stack.client() as client:
        first = client.jobs(limit=100)[-1]
    for line in first["output"].splitlines():
        assert line in stack.output
    for part in ("receipt:", first["id"], "embedded/smollm2-135m-instruct because intent:"):
        assert part in stack.output
    assert f"{first['usage']['input_tokens']} in" in stack.output


def test_it_prints_where_it_serves(stack: Stack, flower: FlowerPage) -> None:
    assert stack.url in stack.output
    assert flower.url in stack.output


def test_it_says_that_a_fresh_database_holds_no_jobs(stack: Stack) -> None:
    assert "no jobs yet" in stack.output


def test_no_secret_is_in_its_log(stack: Stack) -> None:
    secrets = json.loads((stack.home / "secrets.json").read_text()) | {"demo_key": stack.key}
    assert [name for name, secret in secrets.items() if secret in stack.output] == []


def test_the_demo_key_is_kept_where_only_its_owner_reads(stack: Stack) -> None:
    file = stack.home / "demo-key"
    assert file.read_text().strip() == stack.key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_demo_key_opens_the_api(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.key}"}
    found = httpx.get(f"{stack.url}/v1/jobs", headers=headers, trust_env=False)
    assert found.status_code == 200
    assert found.json()["data"]


def test_no_key_and_a_wrong_key_open_nothing(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/v1/jobs", trust_env=False).status_code == 401
    with Client(stack.url, "tm_wrong") as client, pytest.raises(ApiError) as refusal:
        client.jobs()
    assert refusal.value.status == 401


def test_everything_that_the_web_leans_on_is_well(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/readyz", trust_env=False).json()["checks"] == {
        "database": "ok",
        "redis": "ok",
        "issuer": "ok",
    }


def test_a_second_message_is_answered_with_the_first_ones_track(stack: Stack) -> None:
    second = "And what is its largest river?"
    begun = stack.answered("What is the capital of Hungary?")
    alone = stack.answered(second)
    in_track = stack.answered(second, begun["conversation_id"])
    assert in_track["conversation_id"] == begun["conversation_id"]
    assert in_track["usage"]["input_tokens"] > alone["usage"]["input_tokens"]


def test_a_long_message_is_compressed_on_the_cpu_worker(
    stack: Stack, flower: FlowerPage, until: Callable[..., None]
) -> None:
    job = stack.answered(PROSE)
    compress = job["stages"][1]
    assert (job["status"], compress["status"]) == ("completed", "completed")
    assert compress["tokens_after"] < compress["tokens_before"]
    assert job["usage"]["tokens_saved"] > 0
    until(lambda: flower.task(job, "compress").get("state") == "SUCCESS")
    assert flower.task(job, "compress")["worker"].startswith("cpu@")


def test_a_message_that_fits_no_model_fails_by_name(too_long: dict[str, object]) -> None:
    assert too_long["status"] == "failed"
    assert too_long["error"]["code"] == "context_too_long"
    assert too_long["output"] is None
