"""Foreign text can't control the terminal."""

import json
import unicodedata
from typing import Any

import pytest

from app.cli.client.receipt import ending, stage_line
from app.cli.client.terminal import line, shown
from app.cli.doctor.finding import ok

EVIL = "\x1b]52;c;ZQ==\x07\x1b[2J\x9b31m\x7f\u202e\u2066\u200b\ufeff\r\b\U000e0041"
CASES = [*EVIL, "\x00", "\x85", "\ud800", "\u061c", "\u200f"]


def commands(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"]


@pytest.mark.parametrize("character", [c for c in CASES if commands(c)])
def test_a_character_that_commands_is_written_as_an_escape(character: str) -> None:
    assert shown(f"a{character}b").startswith("a\\")
    assert shown(f"a{character}b").endswith("b")
    assert commands(shown(character)) == []


@pytest.mark.parametrize(
    "text",
    ["plain", "two\n\tlines", "ü 日本 العربية", "\U0001f469\u200d\U0001f4bb", "می\u200cخواهم", ""],
)
def test_text_of_every_script_stays_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_lines_of_windows_are_lines() -> None:
    assert shown("a\r\nb") == "a\nb"


def test_a_line_stays_one_line() -> None:
    assert line("a\nreceipt:\tb") == "a\\nreceipt:\\tb"


def test_an_answer_of_any_number_of_lines_is_shown_whole() -> None:
    assert ending(_job("a\u2028b\n\nc"))[:4] == ["answer:", "  a\u2028b", "  ", "  c"]


def test_json_is_json_still() -> None:
    assert json.loads(shown(json.dumps({"output": "a\n\x1b"}, indent=2))) == {"output": "a\n\x1b"}


def test_nothing_on_a_receipt_commands() -> None:
    for job in (_job(EVIL), _job(None, status="failed", error={"message": EVIL, "code": EVIL})):
        assert commands("\n".join(ending(job))) == []
    stage = {"name": EVIL, "status": EVIL, "ms": None, "intent": EVIL, "model": EVIL}
    assert commands(stage_line(stage)) == []


def test_nothing_that_doctor_finds_commands() -> None:
    assert commands(ok(EVIL, EVIL, EVIL).line()) == []


def _job(output: str | None, **changes: Any) -> Any:
    usage = {"input_tokens": 0, "output_tokens": 0, "tokens_saved": 0}
    return {
        "id": EVIL,
        "mind": EVIL,
        "conversation_id": EVIL,
        "status": "completed",
        "finish_reason": "stop",
        "output": output,
        "error": None,
        "route": {"model": EVIL, "reason": EVIL, "fallbacks": [EVIL]},
        "stages": [{"name": EVIL, "ms": 1}],
        "usage": usage | {"cost_usd": EVIL, "paid_duplicates": 0},
    } | changes
