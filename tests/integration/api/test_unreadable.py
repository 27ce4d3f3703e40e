"""Foreign data in our Redis channels and keys is skipped and logged."""

import json
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest
from redis import Redis

from tasks.events.envelope import channel_of, tail_of
from tests.integration.api.test_events import finish, generating

RUBBISH = ("no JSON", b"\xff\xfe", "[]", "null", '["text",1,2,{}]', '["stage",900,901,{"name":7}]')


@pytest.fixture
def redis(backends: Mapping[str, str]) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"]) as client:
        yield client


def test_a_stream_goes_on_past_what_it_cannot_read(
    serve: Callable[..., httpx.Client], redis: Redis, until: Callable[..., None], web_log
) -> None:
    client = serve(LOG_FORMAT="json")
    job_id = client.post("/v1/jobs", json={"message": "hello"}).json()["id"]

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        until(lambda: redis.pubsub_numsub(channel_of(job_id))[0][1] == 1)
        for rubbish in RUBBISH:
            redis.publish(channel_of(job_id), rubbish)
        finish(job_id)
        redis.publish(channel_of(job_id), json.dumps(["ended", 0, 0, {}]))
        text = stream.read().decode()

    assert "job.completed" in text
    assert "unreadable event skipped" in web_log.read_text()


def test_a_piece_of_text_that_cannot_be_read_is_made_up_for_by_the_row(
    serve: Callable[..., httpx.Client], redis: Redis, web_log
) -> None:
    client = serve(LOG_FORMAT="json")
    job_id = client.post("/v1/jobs", json={"message": "hello"}).json()["id"]
    generating(job_id, "So far")
    for number, entry in enumerate(
        ({"text": "x"}, {"before": "y", "text": "x"}, {"before": b"\xff", "text": b"\xff"})
    ):
        redis.xadd(tail_of(job_id), entry, id=f"{1000 + number}-0")

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        lines = iter(stream.iter_lines())
        assert any('"So far"' in line for line in lines)

    assert "unreadable text skipped" in web_log.read_text()
