"""Slow searches slow down only the user who sent them."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import text

from app.auth.bearer import USER_HEADER
from models.session import get_engine

SEARCHES = 24


@pytest.fixture
def unreadable_messages() -> Iterator[None]:
    """Block reads of messages, like a search through very many of them."""
    with get_engine().begin() as connection:
        connection.execute(text("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE"))
        yield


def test_searches_of_one_user_keep_no_other_from_the_database(
    serve: Callable[..., httpx.Client], unreadable_messages: None
) -> None:
    client = serve(DATABASE_POOL="4")
    assert client.post("/v1/conversations", json={"title": "begun"}).status_code == 201

    def search(_: int) -> httpx.Response:
        return client.get("/v1/conversations", params={"q": "words"})

    def other(number: int) -> int:
        name = {USER_HEADER: f"other-{number}"}
        return client.get("/v1/jobs", headers=name).status_code

    with ThreadPoolExecutor(SEARCHES) as threads:
        searched = threads.map(search, range(SEARCHES))
        others = [other(number) for number in range(10)]
        found = list(searched)

    assert set(others) == {200}
    codes = Counter((answer.status_code, answer.json()["code"]) for answer in found)
    assert set(codes) == {(503, "search_timeout"), (429, "too_many_searches_of_yours")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in found)
    [slow] = [answer for answer in found if answer.status_code == 503][:1]
    assert [error["field"] for error in slow.json()["errors"]] == ["q"]


def test_searches_of_all_users_leave_half_of_the_connections(
    serve: Callable[..., httpx.Client], unreadable_messages: None
) -> None:
    client = serve(DATABASE_POOL="4")

    def search(number: int) -> str:
        name = {USER_HEADER: f"searcher-{number}"}
        made = client.post("/v1/conversations", json={"title": "begun"}, headers=name)
        assert made.status_code == 201
        found = client.get("/v1/conversations", params={"q": "words"}, headers=name)
        return str(found.json()["code"])

    with ThreadPoolExecutor(8) as threads:
        codes = Counter(threads.map(search, range(8)))

    assert set(codes) <= {"search_timeout", "too_many_searches"}
    assert codes["too_many_searches"] >= 1
    assert codes["search_timeout"] >= 2
