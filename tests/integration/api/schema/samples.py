"""Samples for a caller: a conversation, and jobs, broadcasts and responses in every state."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import httpx
from sqlalchemy import func, update

from models.api_keys import ApiKey
from models.jobs import Job
from models.lifecycle.endings import finished
from models.session import unit_of_work
from tasks.events.publisher import publish_end

QUESTION = {"message": "What is the capital of France?"}
WEBHOOK = {"url": "https://example.com/hook"}
ENDS = ("completed", "failed", "cancelled", "expired")
ERROR = {"code": "poison", "message": "It did not work.", "stage": "generate", "attempts": 5}
ENDER_EVERY_S = 0.05


class Samples:
    """Ids, by the name of the parameter or field that takes them. Those in `ended` are of finished
    objects, whose streams end."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.kept: set[str] = set()
        self.renew()

    def renew(self) -> None:
        """Create new samples, and revoke all keys, of which there may be only so many."""
        with unit_of_work() as session:
            session.execute(update(ApiKey).values(revoked_at=func.now()))
        queued, merged = self._post("/v1/jobs", QUESTION), self._broadcast()
        open_broadcast = self._post("/v1/broadcasts", QUESTION)
        jobs = [self._ended_job(status) for status in ENDS]
        webhook, event = self._webhook()
        self.kept = {queued["id"], *(job["id"] for job in open_broadcast["jobs"])}
        self.ended = {
            "job_id": jobs,
            "broadcast_id": [merged],
            "response_id": [_response(job) for job in jobs],
            "conversation_id": [self._conversation_of(jobs[0])],
        }
        self.known = {
            "job_id": [queued["id"], *jobs],
            "broadcast_id": [open_broadcast["id"], merged],
            "response_id": [_response(queued["id"]), *self.ended["response_id"]],
            "conversation_id": [queued["conversation_id"]],
            "previous_response_id": [_response(jobs[0])],
            "sessionId": [queued["conversation_id"]],
            "key_id": [self._post("/v1/keys", {})["id"] for _ in range(2)],
            "webhook_id": [webhook],
            "event_id": [event],
            "mind": ["sage"],
            "model": [self._client.get("/v1/minds").json()["models"][0]],
        }

    def _post(self, path: str, body: Mapping[str, object]) -> dict:
        response = self._client.post(path, json=body)
        assert response.status_code in (200, 201, 202), response.text
        return response.json()

    def _ended_job(self, status: str) -> str:
        job = self._post("/v1/jobs", QUESTION)["id"]
        _end(job, status)
        return job

    def _webhook(self) -> tuple[str, str]:
        """The only webhook, and an event of it."""
        for old in self._client.get("/v1/webhooks").json()["data"]:
            self._client.delete(f"/v1/webhooks/{old['id']}")
        made = self._client.post("/v1/webhooks", json=WEBHOOK).json()["id"]
        return made, self._post(f"/v1/webhooks/{made}/test", {})["id"]

    def _conversation_of(self, job_id: str) -> str:
        conversation_id: str = self._client.get(f"/v1/jobs/{job_id}").json()["conversation_id"]
        return conversation_id

    def _broadcast(self) -> str:
        broadcast = self._post("/v1/broadcasts", QUESTION)
        for job in broadcast["jobs"]:
            _end(job["id"], "completed")
        return broadcast["id"]


@contextmanager
def ending(samples: Samples) -> Iterator[None]:
    """Until the block ends, end all other jobs soon, so that no stream or wait lasts long."""
    over = threading.Event()

    def end() -> None:
        for turn in count():
            if over.wait(ENDER_EVERY_S):
                return
            _end_others(samples.kept, "completed" if turn % 2 else "cancelled")

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _end(job_id: str, status: str) -> None:
    error = ERROR if status in ("failed", "expired") else None
    answer = "Paris." if status == "completed" else None
    columns = {**finished(status), "error": error, "answer": answer}
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def _end_others(kept: set[str], status: str) -> None:
    columns = finished(status)
    if status == "completed":
        columns |= {"answer": "Paris.", "finish_reason": "stop"}
    with unit_of_work() as session:
        others = (Job.slot.is_not(None), Job.id.not_in(kept))
        ended = update(Job).where(*others).values(**columns).returning(Job.id)
        found = session.scalars(ended).all()
    for job_id in found:
        publish_end(job_id)


def _response(job_id: str) -> str:
    return job_id.replace("job_", "resp_")
