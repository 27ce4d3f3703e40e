"""Known vulnerabilities of what is installed: one request to OSV (osv.dev), which has PyPI's."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final

import httpx

from deploy.supply_chain.installed import OURS, Distribution

URL: Final = "https://api.osv.dev/v1/querybatch"
WITHIN_S: Final = 3.0
# A resolver without a network may take longer than any time-out of a connection.
OVERALL_S: Final = 4.0
# Those that do not concern us, by their id, each with a reason.
ACCEPTED: Final[dict[str, str]] = {}


class NotAnswered(Exception):
    """OSV could not be asked, as without a network; the message says why."""


def vulnerabilities(
    found: Sequence[Distribution], url: str = URL
) -> list[tuple[Distribution, str]]:
    """The ids of known vulnerabilities, each with what has it, without those in `ACCEPTED`.

    Raises:
        NotAnswered: nothing is known.
    """
    asked = [each for each in found if each.name != OURS]
    answer = _ask_in_time([_query(each) for each in asked], url)
    try:
        return list(_read(asked, answer))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotAnswered("an answer that is not OSV's") from None


def _query(distribution: Distribution) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": distribution.name}
    return {"package": package, "version": distribution.public_version}


def _ask_in_time(queries: list[dict[str, Any]], url: str) -> Any:
    answer: Future[Any] = Future()

    def ask() -> None:
        try:
            answer.set_result(_ask(queries, url))
        except NotAnswered as error:
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(OVERALL_S)
    except TimeoutError:
        raise NotAnswered(f"nothing within {OVERALL_S:.0f} s") from None


def _ask(queries: list[dict[str, Any]], url: str) -> Any:
    try:
        answer = httpx.post(url, json={"queries": queries}, timeout=WITHIN_S)
        return answer.raise_for_status().json()
    except httpx.HTTPStatusError as error:
        raise NotAnswered(f"status {error.response.status_code}") from None
    except httpx.HTTPError as error:
        raise NotAnswered(str(error) or type(error).__name__) from None
    except ValueError:
        raise NotAnswered("an answer that is no JSON") from None


def _read(asked: Sequence[Distribution], answer: Any) -> Iterator[tuple[Distribution, str]]:
    for each, result in zip(asked, answer["results"], strict=True):
        for vulnerability in result.get("vulns", ()):
            if vulnerability["id"] not in ACCEPTED:
                yield each, vulnerability["id"]
