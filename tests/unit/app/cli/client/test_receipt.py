"""A job, printed for people."""

from typing import Any

from app.cli.client.receipt import Progress, ending, stage_line


def job(**changes: Any) -> Any:
    whole = {
        "id": "job_1",
        "status": "completed",
        "mind": "sage",
        "conversation_id": "conv_1",
        "stages": [
            {"name": "intent", "status": "completed", "ms": 3, "intent": "coding"}
            | {"confidence": 0.93, "cached": True},
            {"name": "compress", "status": "completed", "ms": 9, "compressor": "extractive"}
            | {"tokens_before": 90, "tokens_after": 41},
            {"name": "generate", "status": "running", "ms": None},
            {"name": "persist", "status": "pending", "ms": None},
        ],
        "route": {"model": "openai/small", "reason": "intent:coding", "fallbacks": ["gemini/big"]},
        "output": "One.\nTwo.",
        "finish_reason": "stop",
        "error": None,
        "usage": {"input_tokens": 12, "output_tokens": 34, "tokens_saved": 49}
        | {"cost_usd": "0.000123", "paid_duplicates": 0},
    }
    return whole | changes


def test_a_stage_says_what_it_decided() -> None:
    intent, compress, generate, _ = job()["stages"]
    assert stage_line(intent) == "  intent    completed       3 ms  coding (0.93), from the cache"
    assert stage_line(compress).endswith("9 ms  90 tokens to 41, extractive")
    assert stage_line(generate) == "  generate  running"


def test_progress_tells_each_change_once_and_nothing_that_has_not_begun() -> None:
    progress = Progress()
    assert [line.split()[0] for line in progress.lines(job()["stages"])] == [
        "intent",
        "compress",
        "generate",
    ]
    assert progress.lines(job()["stages"]) == []
    later = job()
    later["stages"][2] = {"name": "generate", "status": "completed", "ms": 80, "model": "m"}
    assert [line.split()[:2] for line in progress.lines(later["stages"])] == [
        ["generate", "completed"]
    ]


def test_an_answer_comes_with_its_receipt() -> None:
    text = "\n".join(ending(job()))
    assert text.startswith("answer:\n  One.\n  Two.\nreceipt:")
    for part in (
        "job_1, mind sage, conv_1",
        "openai/small because intent:coding; fallbacks: gemini/big",
        "12 in, 34 out, 49 saved",
        "US$ 0.000123",
        "intent 3 ms, compress 9 ms",
    ):
        assert part in text


def test_an_answer_that_was_cut_says_so() -> None:
    assert ending(job(finish_reason="length"))[0] == "answer (cut by max tokens):"


def test_a_failure_says_why() -> None:
    error = {"code": "context_too_long", "message": "Too long.", "stage": "generate", "attempts": 1}
    lines = ending(job(status="failed", output=None, error=error, route=None))
    assert lines[0] == "failed: Too long. (context_too_long)"
    assert "none because unknown" in "\n".join(lines)


def test_an_end_without_an_error_is_named() -> None:
    assert ending(job(status="cancelled", output=None))[0] == "cancelled"
    assert ending(job(status="in_progress", output=None))[0] == "not finished: in_progress"


def test_a_duplicate_that_was_paid_is_shown() -> None:
    usage = job()["usage"] | {"paid_duplicates": 1}
    assert "1 paid twice" in "\n".join(ending(job(usage=usage)))
