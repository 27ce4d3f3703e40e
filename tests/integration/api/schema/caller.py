"""A user that sends generated calls and compares the answers with the document."""

import json
import random
import re
import zlib
from collections import Counter
from itertools import count
from typing import Any

import httpx
from schemathesis import Case, CheckContext, Response
from schemathesis.specs.openapi import checks

from .samples import Samples

ANSWER_WITHIN_S = 10
NEW_THINGS_EVERY = 25
# The server's own answers to a line or header that is too long.
SERVERS = {414, 431}
EVENTS = "text/event-stream"
# A document can't express whether an object exists, what its state is, and what two fields mean
# together.
STATE = {
    "Last-Event-ID",
    "after",
    "input",
    "instructions",
    "job_id",
    "mind",
    "minds",
    "model",
    "previous_response_id",
    "starting_after",
    "url",
    "webhook_url",
}
STATE_CODES = {
    "contradiction",
    "idempotency_key_reused",
    "job_completed",
    "job_failed",
    "job_expired",
}
UNKNOWN_HEADER = "x-schemathesis-unknown-property"


class Caller:
    """Sends calls, most of them with ids of its samples, and counts the answers."""

    def __init__(self, client: httpx.Client, samples: Samples) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._samples = samples
        self._number = count(1)
        self._base_url = str(client.base_url).rstrip("/")
        self._headers = {name: client.headers[name] for name in ("Authorization", "X-Trimind-User")}

    def call(self, case: Case) -> None:
        """Send a call; fail if the answer is late or not as documented."""
        number = next(self._number)
        if number % NEW_THINGS_EVERY == 0:
            self._samples.renew()
        self._mean_something(case, number)
        response = case.call(self._base_url, headers=self._headers, timeout=ANSWER_WITHIN_S)
        answered = (case.operation.label, response.status_code)
        self.statuses[answered] += 1
        if response.status_code in SERVERS:
            return
        case.validate_response(
            response,
            headers=self._headers,
            transport_kwargs={"timeout": ANSWER_WITHIN_S},
            additional_checks=OURS,
            excluded_checks=[*THEIRS, *_not_of(response), *self._known_of(answered)],
        )
        if response.status_code == 204:
            self._samples.renew()

    def went_well(self, label: str) -> bool:
        """Whether a call of the operation has ever succeeded."""
        return any(status < 300 for name, status in self.statuses if name == label)

    def _known_of(self, answered: tuple[str, int]) -> list[Any]:
        """The check sends each call twice more, with a wrong key and without one: once for each
        status of an operation is enough, as nothing else of a call is read before its key."""
        return [checks.ignored_auth] if self.statuses[answered] > 1 else []

    def _mean_something(self, case: Case, number: int) -> None:
        """Insert known ids, and a fresh key instead of a used one."""
        sent = repr((case.path_parameters, case.query, case.body))
        draw = random.Random(zlib.crc32(sent.encode("utf-8", "surrogatepass")))
        known = self._samples.ended if _is_stream(case) else self._samples.known
        if draw.random() < 0.7:
            case.path_parameters = {name: draw.choice(known[name]) for name in case.path_parameters}
        if case.meta is None or not case.meta.generation.mode.is_positive:
            return
        for fields in (case.query, case.body):
            taken = fields if isinstance(fields, dict) else {}
            for name in self._samples.known.keys() & taken.keys():
                if draw.random() < 0.7:
                    fields[name] = draw.choice(self._samples.known[name])
        if "Idempotency-Key" in case.headers and draw.random() < 0.7:
            case.headers["Idempotency-Key"] = f"key-{number}"


def positive_data_acceptance(context: CheckContext, response: Response, case: Case) -> bool | None:
    """A valid call is not refused, except for a reason that no document can express."""
    if response.status_code in (400, 422) and _is_about_state(response.json()):
        return None
    return checks.positive_data_acceptance(context, response, case)


def negative_data_rejection(context: CheckContext, response: Response, case: Case) -> bool | None:
    """An invalid call is refused, unless an extra header is all that is wrong."""
    if UNKNOWN_HEADER in case.headers:
        return None
    return checks.negative_data_rejection(context, response, case)


def events_conformance(context: CheckContext, response: Response, case: Case) -> bool | None:
    """Every event of a stream has its `type` as its name, and has an id."""
    if not _is_events(response):
        return None
    for block in filter(None, response.text.split("\n\n")):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        assert json.loads(lines["data"])["type"] == lines["event"]
    assert response.text.endswith("\n\n")
    return None


OURS = [positive_data_acceptance, negative_data_rejection, events_conformance]
THEIRS = [
    checks.positive_data_acceptance,
    checks.negative_data_rejection,
    # These checks need a history of calls, which does not exist here.
    checks.use_after_free,
    checks.ensure_resource_availability,
    checks.object_level_authorization,
]


def _is_about_state(body: dict[str, Any]) -> bool:
    error = body.get("error") or body
    first = (error.get("errors") or [{}])[0]
    field = error.get("param") or first.get("field") or ""
    codes = {error["code"], first.get("code")}
    return re.split(r"[.\[]", field)[0] in STATE or bool(codes & STATE_CODES)


def _is_stream(case: Case) -> bool:
    return case.path.endswith("/events") or "stream" in case.query


def _is_events(response: Response) -> bool:
    return response.headers.get("content-type", [""])[0].startswith(EVENTS)


def _not_of(response: Response) -> list[Any]:
    """The check takes the schema of a stream, which is one text, for that of an event."""
    return [checks.response_schema_conformance] if _is_events(response) else []
