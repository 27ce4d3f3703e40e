"""The request's id."""

import pytest
import structlog

from app.http.request_log import request_id_of


@pytest.mark.parametrize("sent", ["a", "abc-1_2.3", "x" * 128])
def test_a_sane_id_of_the_callers_is_kept(sent):
    assert request_id_of(sent) == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "a b", "a\nb", "ä", "a;b", "a\n"])
def test_any_other_is_replaced(sent):
    assert request_id_of(sent).startswith("req_")


def test_every_answer_has_an_id(client):
    first, second = (client.get("/healthz").headers["X-Request-Id"] for _ in range(2))

    assert first != second


def test_the_threads_next_line_does_not_carry_the_id(client):
    client.get("/healthz")

    assert structlog.contextvars.get_contextvars() == {}


def test_a_path_can_not_forge_a_line_of_the_log(client, capfd):
    client.get("/x%0A2026-01-01%20[info]%20forged%1b[31m")

    written = capfd.readouterr()
    assert "forged" in written.out + written.err
    assert not any(
        "\x1b" in line or line.startswith("2026-01-01") for line in written.out.splitlines()
    )
