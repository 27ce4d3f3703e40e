"""GET /v1/broadcasts/{id}/events: the streams of all its jobs in one."""

import json
import re

import pytest

from app.streaming.broadcast_stream import _end
from models.broadcasts import Broadcast, gather
from models.lifecycle.endings import cancel
from models.session import unit_of_work

from .test_events import ANSWER, finish

HELLO = {"message": "hello"}
UNKNOWN = "bcast_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


def read(client, broadcast_id: str, query: str = "", **headers: str):
    path = f"/v1/broadcasts/{broadcast_id}/events{query}"
    return client.get(path, headers=headers, buffered=True)  # closes it, as a server does


def events_in(text: str) -> list[tuple[str, dict]]:
    """The ids and the events of a whole stream."""
    found = re.findall(r"^id: (.*)\nevent: .*\ndata: (.*)$", text, re.M)
    return [(place, json.loads(data)) for place, data in found]


@pytest.fixture
def broadcast(client) -> dict:
    """A broadcast of which two minds have answered and one was cancelled."""
    made = client.post("/v1/broadcasts", json=HELLO).json
    first, second, third = (job["id"] for job in made["jobs"])
    finish(first)
    finish(second)
    with unit_of_work() as session:
        assert cancel(session, third)
    return made


def test_one_stream_tells_of_every_job_and_last_of_the_whole(client, broadcast):
    events = [event for _, event in events_in(read(client, broadcast["id"]).text)]

    for job in broadcast["jobs"]:
        alone = client.get(f"/v1/jobs/{job['id']}/events", buffered=True).text
        mine = [event for event in events if event.get("job_id") == job["id"]]
        assert {event.pop("mind") for event in mine} == {job["mind"]}
        assert mine == [json.loads(data) for data in re.findall(r"^data: (.*)$", alone, re.M)]
    assert events[-1]["type"] == "broadcast.partial"
    assert events[-1]["broadcast"] == client.get(f"/v1/broadcasts/{broadcast['id']}").json


def test_a_reader_goes_on_after_any_event_of_any_job(client, broadcast):
    whole = events_in(read(client, broadcast["id"]).text)

    for number, (place, _) in enumerate(whole[:-1]):
        header = {"Last-Event-ID": place}
        assert events_in(read(client, broadcast["id"], **header).text) == whole[number + 1 :]
        assert (
            events_in(read(client, broadcast["id"], f"?starting_after={place}").text)
            == (whole[number + 1 :])
        )


def test_a_reader_that_has_the_end_gets_a_204(client, broadcast):
    last = events_in(read(client, broadcast["id"]).text)[-1][0]

    assert last.endswith("-end")
    assert read(client, broadcast["id"], **{"Last-Event-ID": last}).status_code == 204


def test_a_piece_of_text_can_be_cut_anywhere(client, broadcast):
    place = next(
        place
        for place, event in events_in(read(client, broadcast["id"]).text)
        if event["type"] == "job.delta"
    )
    first, rest = place.split("-", 1)
    cut = f"{int(first) - len(ANSWER) + 3}-{rest}"

    event = events_in(read(client, broadcast["id"], f"?starting_after={cut}").text)[0][1]

    assert event["text"] == ANSWER[3:]


def test_a_retry_comes_after_what_a_reader_has(client, broadcast):
    before = events_in(read(client, broadcast["id"]).text)
    cancelled = broadcast["jobs"][2]["id"]
    again = finish(client.post(f"/v1/jobs/{cancelled}/retry").json["id"])

    whole = events_in(read(client, broadcast["id"]).text)
    afterwards = events_in(read(client, broadcast["id"], **{"Last-Event-ID": before[-1][0]}).text)

    of_the_retry = [event for _, event in whole if event.get("job_id") == again]
    assert of_the_retry
    assert [event for _, event in afterwards] == [*of_the_retry, whole[-1][1]]
    assert whole[-1][1]["type"] == "broadcast.completed"
    assert cancelled in {event.get("job_id") for _, event in whole}
    assert read(client, broadcast["id"], **{"Last-Event-ID": whole[-1][0]}).status_code == 204
    for number, (place, _) in enumerate(whole[:-1]):
        resumed = read(client, broadcast["id"], f"?starting_after={place}").text
        assert events_in(resumed) == whole[number + 1 :]


def test_a_reader_of_the_jobs_before_a_retry_is_not_told_of_the_end(client, broadcast):
    cancelled = broadcast["jobs"][2]["id"]
    with unit_of_work() as session:
        before = gather(session, [session.get_one(Broadcast, broadcast["id"])])[0]
    finish(client.post(f"/v1/jobs/{cancelled}/retry").json["id"])

    at = {job.id: job.sequence for job in before.tries}
    assert _end(before.broadcast.user_id, broadcast["id"], at) is None


@pytest.mark.parametrize("place", ["x", "-1-1-1", "1-2", "1-2-3-4", "1-2-3-start", "9999-1-1", ""])
def test_a_place_that_cannot_be_is_refused_by_name(client, broadcast, place):
    refused = read(client, broadcast["id"], f"?starting_after={place}")

    assert refused.status_code == 422
    [error] = refused.json["errors"]
    assert (error["field"], error["code"]) == ("starting_after", "not_a_place")


def test_a_last_event_id_that_the_stream_never_had_is_refused_by_the_headers_name(
    client, broadcast
):
    ids = [place for place, _ in events_in(read(client, broadcast["id"]).text)]
    at, last = ids[5].split("-"), ids[-1]
    never = ["1-2", "1-2-3-4", "9999-1-1", f"{at[0]}9-{at[1]}-{at[2]}", "1-1-1-end", f"9{last}"]
    fresh = client.post("/v1/broadcasts", json=HELLO).json["id"]

    refusals = [read(client, broadcast["id"], **{"Last-Event-ID": place}) for place in never]
    refusals += [read(client, fresh, **{"Last-Event-ID": place}) for place in ("1-1-1-end", last)]

    for refused in refusals:
        assert (refused.status_code, refused.json["code"]) == (400, "invalid_header")
        assert refused.json["errors"][0]["field"] == "Last-Event-ID"
    assert read(client, broadcast["id"], **{"Last-Event-ID": ""}).status_code == 200


def test_a_foreign_broadcast_is_as_unknown_as_none(client, stranger, broadcast):
    foreign, unknown = read(stranger, broadcast["id"]), read(client, UNKNOWN)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json["detail"] == unknown.json["detail"]


def test_a_broadcast_can_be_waited_for(client, broadcast):
    waited = client.get(f"/v1/broadcasts/{broadcast['id']}", headers={"Prefer": "wait=5"})
    short = client.post("/v1/broadcasts", json=HELLO, headers={"Prefer": "wait=1"})

    assert (waited.status_code, waited.json["status"]) == (200, "partial")
    assert (short.status_code, short.json["status"]) == (202, "queued")
    assert short.headers["Preference-Applied"] == "wait=1"
