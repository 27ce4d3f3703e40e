"""Text logs look like structlog's own."""

import io
from contextlib import redirect_stderr

import structlog
from hypothesis import given
from hypothesis import strategies as st

from config.text_log import one_line, render_text, write_text

CONSOLE = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, sort_keys=False)
PRINTABLE = st.text("aé𝄞 =\"'{}", min_size=1).filter(str.strip)
VALUES = st.one_of(PRINTABLE, st.none(), st.integers(), st.floats(), st.lists(PRINTABLE))
NAMES = st.text("abc_", min_size=1).filter(lambda name: name.strip("_"))
LEVELS = st.sampled_from(("debug", "info", "warning", "error", "critical"))


@given(PRINTABLE, LEVELS, st.dictionaries(NAMES, VALUES), st.none() | st.just("Traceback\n …"))
def test_a_line_is_the_one_of_structlogs_console(event, level, values, traceback) -> None:
    line = {"timestamp": "2026-01-02T03:04:05Z", "level": level, "event": event, **values}
    if traceback is not None:
        line["exception"] = traceback

    assert render_text(None, level, dict(line)).rstrip(" ") == CONSOLE(None, level, dict(line))


@given(st.text(), st.text())
def test_no_text_begins_a_line_or_commands_a_terminal(event: str, value: str) -> None:
    said = one_line(None, "info", {"event": event, "value": value})
    line = render_text(None, "info", {"timestamp": "now", "level": "info", **said})

    assert line.isprintable()
    with redirect_stderr(io.StringIO()) as written:
        write_text(line)
    assert written.getvalue() == f"{line}\n"
