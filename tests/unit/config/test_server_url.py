"""A Redis or RabbitMQ URL is read as intended or refused, without showing its password."""

import pytest
import redis
from kombu.utils.url import parse_url

from config.server_url import ENCODE, check_server_url

# Each is read as it is when percent-encoded; most also work unencoded.
CHARACTERS = [*"@:/?#%[]&=+\\;,!$'\"^|<>~`{}()* \té", "%zz", "p@ss/w#rd%"]
PORT = "has a port that is not a number from 0 to 65535"
NAME = "names no primary: write redis+sentinel://:password@host:26379,host:26379/name/0"
URLS = ["redis://me:{}@h:1/0", "redis://:{}@h:1/0", "rediss://:{}@h:1", "amqp://me:{}@h:1//"]


def reads_as(url: str, password: str) -> bool:
    """Whether the client libraries read this password and this host."""
    found = [parse_url(url)]
    if url.startswith("redis"):
        asked = redis.Redis.from_url(url).connection_pool.connection_kwargs
        found.append({"hostname": asked["host"], "password": asked["password"]})
    return all((one["hostname"], one["password"]) == ("h", password) for one in found)


def refusal(url: str) -> str | None:
    try:
        check_server_url(url)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("character", CHARACTERS)
def test_a_password_is_read_as_it_stands_or_refused(url: str, character: str) -> None:
    password = f"canary{character}canary"
    written = url.format(password)
    if (why := refusal(written)) is None:
        assert reads_as(written, password)
    else:
        assert why in (ENCODE, "contains white space")


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("character", CHARACTERS)
def test_a_password_that_is_encoded_is_taken(url: str, character: str) -> None:
    password = f"canary{character}canary"
    written = url.format("".join(f"%{byte:02X}" for byte in password.encode()))
    check_server_url(written)
    assert reads_as(written, password)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://me:123/canary@h:1/0", ENCODE),
        ("redis://me:123?canary@h:1/0", ENCODE),
        ("redis://me:123#canary@h:1/0", ENCODE),
        ("redis://:%canary@h:1/0", ENCODE),
        ("redis://h:canary/0", PORT),
        ("redis://h:99999/0", PORT),
        (
            "redis://h:1/0?password=canary",
            "has its password in the query: put it before the host",
        ),
        ("redis://h:1 /0", "contains white space"),
        ("redis+sentinel://:canary@h:1,h:canary/main/0", PORT),
        ("redis+sentinel://:can/ary@h:1,h:2/main/0", ENCODE),
        ("redis+sentinel://:canary@h:1,h:2/", NAME),
        ("redis+sentinel://:canary@h:1,h:2/main/zero", NAME),
    ],
)
def test_what_would_lead_elsewhere_is_refused(url: str, why: str) -> None:
    assert refusal(url) == why


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:1/0?ssl_cert_reqs=none",
        "redis://[::1]:6379/0",
        "rediss://:p@[fe80::1]:6379/0",
        "amqp://u:p@h:5672/%2F",
        "redis://",
    ],
)
def test_the_usual_forms_are_taken(url: str) -> None:
    check_server_url(url)
