"""The client."""

import os
import time
from collections.abc import Iterator
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, cast

import httpx

from trimind.errors import ApiError, Unreachable
from trimind.events import Event, read_events
from trimind.jobs import FINISHED, Job

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# Most jobs end within seconds: poll often at first, then as often as the server's Retry-After says.
QUICK_S: Final = 0.2
QUICK_FOR_S: Final = 15.0
# A web process that is being redeployed is back within this time.
PATIENCE_S: Final = 30.0
SILENCE_S: Final = 40.0
# Too many open streams; the web process or its database is unavailable.
AGAIN: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Client:
    """A client of one installation, for one user. Close it, or use it in a `with` statement.

    Args:
        url: the installation's address, such as http://127.0.0.1:8000.
        key: an API key, `tm_…`.
        timeout_s: seconds for each call.

    Raises:
        Unreachable: the address, or a proxy variable of the environment, is invalid.
    """

    def __init__(self, url: str, key: str, timeout_s: float = 30.0) -> None:
        try:
            self._http = httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=timeout_s,
                # Loopback is never reached through a proxy.
                trust_env=httpx.URL(url).host not in LOOPBACK,
            )
        except (ValueError, UnicodeError, httpx.InvalidURL):
            # Not chained: the original message may contain part of a proxy's password.
            raise Unreachable(_why_not(url)) from None

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(
        self, message: str, *, mind: str | None = None, conversation_id: str | None = None
    ) -> Job:
        """Submit a message; returns its job."""
        body = {"message": message, "mind": mind, "conversation_id": conversation_id}
        return self._call("POST", "/v1/jobs", json=body)[0]

    def job(self, job_id: str) -> Job:
        """The job's current state."""
        return self._call("GET", f"/v1/jobs/{job_id}")[0]

    def jobs(self, limit: int = 20, status: str | None = None) -> list[Job]:
        """The newest jobs, newest first; with a status, only those that have it."""
        query = {"limit": str(limit)} | ({"status": status} if status else {})
        page, _ = self._call("GET", "/v1/jobs", params=query)
        return cast(list[Job], page["data"])

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; returns it as it ended."""
        return self._call("POST", f"/v1/jobs/{job_id}/cancel")[0]

    def retry(self, job_id: str) -> Job:
        """Retry a job that ended without an answer; returns the new job."""
        return self._call("POST", f"/v1/jobs/{job_id}/retry")[0]

    def follow(self, job_id: str) -> Iterator[Event]:
        """The events of a job, from its first to its last, `job.completed` or another end.

        A lost connection is opened again, and continues after the last event.
        """
        after, until = 0, time.monotonic() + PATIENCE_S
        while True:
            try:
                for event in self._events(job_id, after):
                    after, until = event["sequence_number"], time.monotonic() + PATIENCE_S
                    yield event
                    if "job" in event:
                        return
            except Unreachable:
                if time.monotonic() >= until:
                    raise
            except ApiError as error:
                if error.status not in AGAIN or time.monotonic() >= until:
                    raise
            time.sleep(1)

    def watch(self, job_id: str) -> Iterator[Job]:
        """Poll a job and yield it each time it has changed, last when it has finished."""
        began = time.monotonic()
        last: Job | None = None
        while last is None or last["status"] not in FINISHED:
            job, worth_s = self._patient_job(job_id)
            if job != last:
                yield job
            last = job
            if job["status"] not in FINISHED:
                time.sleep(QUICK_S if time.monotonic() - began < QUICK_FOR_S else worth_s)

    def _patient_job(self, job_id: str) -> tuple[Job, float]:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._call("GET", f"/v1/jobs/{job_id}")
            except Unreachable:
                if time.monotonic() >= until:
                    raise
            except ApiError as error:
                unavailable = error.status == HTTPStatus.SERVICE_UNAVAILABLE
                if not unavailable or time.monotonic() >= until:
                    raise
            time.sleep(1)

    def _events(self, job_id: str, after: int) -> Iterator[Event]:
        path, query = f"/v1/jobs/{job_id}/events", {"starting_after": after}
        # The server sends something every 15 s.
        try:
            with self._http.stream("GET", path, params=query, timeout=SILENCE_S) as response:
                if not response.is_success:
                    response.read()
                    raise _refusal(response)
                yield from read_events(response.iter_lines())
        except httpx.HTTPError as error:
            raise Unreachable(f"{self._http.base_url} does not answer: {error}") from error

    def _call(self, method: str, path: str, **sent: Any) -> tuple[dict[str, Any], float]:
        try:
            response = self._http.request(method, path, **sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self._http.base_url} does not answer: {error}") from error
        if not response.is_success:
            raise _refusal(response)
        return cast(dict[str, Any], response.json()), float(response.headers.get("Retry-After", 1))


def _why_not(url: str) -> str:
    try:
        httpx.URL(url)
    except httpx.InvalidURL:
        return "The address is not a valid URL: use https://host"
    proxies = sorted(n for n, v in os.environ.items() if n.lower().endswith("_proxy") and v)
    return f"{', '.join(proxies)} is invalid: use http://host:port, and host names in NO_PROXY"


def _refusal(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
        return ApiError(response.status_code, problem["code"], problem["detail"])
    except (ValueError, KeyError, TypeError):  # a proxy or a load balancer answered
        return ApiError(response.status_code, "unknown", response.reason_phrase)
