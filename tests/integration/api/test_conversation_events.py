"""GET /v1/conversations/{id}/events: the streams of all unfinished jobs in one."""

import json

from models.lifecycle.endings import cancel
from models.session import unit_of_work

from .test_broadcast_events import events_in
from .test_events import finish

DATA = "data: "
HELLO = {"message": "hello"}
UNKNOWN = "conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


def read(client, conversation_id: str, query: str = "", **headers: str):
    path = f"/v1/conversations/{conversation_id}/events{query}"
    return client.get(path, headers=headers, buffered=True)


def bare(job: dict) -> str:
    return job["id"].removeprefix("job_")


def from_start(*jobs: dict) -> str:
    return "?starting_after=" + "~".join(f"{bare(job)}.0" for job in jobs)


def test_a_conversation_without_an_unfinished_job_is_idle(client):
    job = client.post("/v1/jobs", json=HELLO).json
    finish(job["id"])

    assert read(client, job["conversation_id"]).status_code == 204


def test_jobs_are_followed_from_their_start_even_if_they_have_ended(client):
    made = client.post("/v1/broadcasts", json=HELLO).json
    for job in made["jobs"]:
        finish(job["id"])

    streamed = read(client, made["conversation_id"], from_start(*made["jobs"]))

    events = [event for _, event in events_in(streamed.text)]
    assert events[-1]["type"] == "conversation.idle"
    for job in made["jobs"]:
        alone = client.get(f"/v1/jobs/{job['id']}/events", buffered=True).text
        mine = [event for event in events if event.get("job_id") == job["id"]]
        assert {event["mind"] for event in mine} == {job["mind"]}
        assert [event["sequence_number"] for event in mine] == [
            event["sequence_number"] for _, event in events_in(alone)
        ]


def test_a_reader_resumes_after_any_event(client):
    made = client.post("/v1/broadcasts", json=HELLO).json
    for job in made["jobs"]:
        finish(job["id"])
    whole = events_in(read(client, made["conversation_id"], from_start(*made["jobs"])).text)

    for number, (place, _) in enumerate(whole):
        if not place:
            break
        again = read(client, made["conversation_id"], f"?starting_after={place}")
        assert events_in(again.text) == whole[number + 1 :]


def test_a_job_that_begins_while_the_stream_is_open_is_followed_too(serve):
    client = serve()
    first = client.post("/v1/jobs", json=HELLO).json()
    path = f"/v1/conversations/{first['conversation_id']}/events"

    with client.stream("GET", path, timeout=20) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if first["id"] in line)  # so the stream is open
        second = {"message": "and?", "conversation_id": first["conversation_id"], "mind": "muse"}
        other = client.post("/v1/jobs", json=second).json()
        for job in (first, other):
            with unit_of_work() as session:
                assert cancel(session, job["id"])
        rest = [json.loads(line[len(DATA) :]) for line in lines if line.startswith(DATA)]

    assert rest[-1]["type"] == "conversation.idle"
    ended = [event["job_id"] for event in rest if event["type"] == "job.cancelled"]
    assert sorted(ended) == sorted([first["id"], other["id"]])


def test_a_position_that_is_not_of_this_conversation_is_refused(client):
    job = client.post("/v1/jobs", json=HELLO).json
    other = client.post("/v1/jobs", json=HELLO).json

    for place in ("nonsense", f"{bare(other)}.0", f"{bare(job)}.999999999"):
        refused = read(client, job["conversation_id"], f"?starting_after={place}")
        assert refused.status_code == 422
        assert refused.json["errors"][0]["field"] == "starting_after"


def test_another_users_conversation_is_unknown(client, stranger):
    job = client.post("/v1/jobs", json=HELLO).json

    assert read(stranger, job["conversation_id"]).status_code == 404
    assert read(client, UNKNOWN).status_code == 404
