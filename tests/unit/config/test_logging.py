"""Logs contain no secrets."""

import pytest

from config.logging import mask
from tests.fresh_python import FreshPython


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://u:secret@db:5432/app", "postgresql://u:***@db:5432/app"),
        ("redis://:secret@127.0.0.1:6379/0 is away", "redis://:***@127.0.0.1:6379/0 is away"),
        ("key sk-abcdefghijklmnop refused", "key sk-*** refused"),
        ("key tm_abcdefgh-ijklmnop refused", "key tm_*** refused"),
        ("cookie tms_abcdefghijklmnop", "cookie tms_***"),
        ("link tml_abcdefghijklmnop", "link tml_***"),
        ("GET /events?token=tmst_17.user_1.key_1.abc-d", "GET /events?token=tmst_***"),
        ("secret 'whsec_YWJj+/ZGVmZ2g='", "secret 'whsec_***'"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln-X_", "token eyJ***"),
        ("the atms_ of items_per_page", "the atms_ of items_per_page"),
        ("eyJust a word", "eyJust a word"),
        ("Authorization: Bearer tm_abcdefghijkl", "Authorization: Bearer ***"),
        ("tm_abcdefghijkl", "tm_***"),
        ("redis://me:p@ss/w#rd%@h:1/0 is away", "redis://me:***@h:1/0 is away"),
        ("error at 'amqps://u:a/b?c@h:1//'.", "error at 'amqps://u:***@h:1//'."),
        ("postgresql:///x?host=h&password=p@ss/w&a=b", "postgresql:///x?host=h&password=***&a=b"),
        ("http://127.0.0.1:8000/v1/jobs", "http://127.0.0.1:8000/v1/jobs"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_passwords_and_keys_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_what_a_stranger_sent_begins_no_line_and_commands_no_terminal(
    fresh_python: FreshPython,
) -> None:
    script = (
        "import logging, structlog\n"
        "from config.logging import configure_logging\n"
        "configure_logging()\n"
        "evil = 'a\\nFAKE\\x1b[2J\\x9b\\u202e\\ud800'\n"
        "logging.getLogger('library').warning('got %s', evil)\n"
        "structlog.get_logger('ours').info('got', value=evil)\n"
    )
    lines = fresh_python(script, check=True).stderr.splitlines()

    assert len(lines) == 2
    for line in lines:
        assert "a\\nFAKE\\x1b[2J" in line
        assert line.isprintable()
