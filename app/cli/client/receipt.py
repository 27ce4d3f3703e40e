"""A job as text: its stages as they happen, then the answer and the receipt."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.cli.client.terminal import line, shown
from trimind import FINISHED, Job, Stage

_UNTOLD = ("name", "status", "ms")


class Progress:
    """The lines of a job's stages, each change once."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def lines(self, stages: Iterable[Stage]) -> list[str]:
        """The changes since the last call."""
        return [line for stage in stages if (line := self._line(stage))]

    def _line(self, stage: Stage) -> str | None:
        name, status = stage["name"], stage["status"]
        if status == "pending" or self._shown.get(name) == status:
            return None
        self._shown[name] = status
        return stage_line(stage)


def stage_line(stage: Stage) -> str:
    """One stage: its status, its duration and its decision."""
    took = "" if stage["ms"] is None else f"{stage['ms']} ms"
    decided = ", ".join(_decisions(stage))
    return line(f"  {stage['name']:<9} {stage['status']:<10} {took:>9}  {decided}".rstrip())


def _decisions(stage: Stage) -> Iterator[str]:
    if "intent" in stage:
        cached = ", from the cache" if stage.get("cached") else ""
        yield f"{stage['intent']} ({stage.get('confidence', 0):.2f}){cached}"
    if "tokens_before" in stage:
        yield f"{stage['tokens_before']} tokens to {stage['tokens_after']}"
    for name in ("model", "compressor", "reason", "code"):
        if stage.get(name) is not None:
            yield str(stage[name])
    if stage.get("first_token_ms") is not None:
        yield f"first token after {stage['first_token_ms']} ms"


def ending(job: Job) -> list[str]:
    """A finished job's answer, or why it has none, and its receipt."""
    return [*(_answer(job) if job["status"] == "completed" else without_answer(job)), *receipt(job)]


def _answer(job: Job) -> list[str]:
    cut = " (cut by max tokens)" if was_cut(job) else ""
    return [f"answer{cut}:", *(f"  {part}" for part in shown(job["output"] or "").split("\n"))]


def was_cut(job: Job) -> bool:
    """Whether the answer was cut off at its maximum length."""
    return bool(job["finish_reason"] == "length")


def without_answer(job: Job) -> list[str]:
    """Why a job has no answer, or none yet."""
    if job["error"]:
        return [line(f"{job['status']}: {job['error']['message']} ({job['error']['code']})")]
    return [job["status"] if job["status"] in FINISHED else f"not finished: {job['status']}"]


def receipt(job: Job) -> list[str]:
    """The receipt."""
    usage = job["usage"]
    route: Mapping[str, Any] = job["route"] or {}
    fallbacks = ", ".join(str(one) for one in route.get("fallbacks") or []) or "none"
    stages = [f"{s['name']} {s['ms']} ms" for s in job["stages"] if s["ms"] is not None]
    lines = [
        "receipt:",
        f"  job        {job['id']}, mind {job['mind']}, {job['conversation_id']}",
        f"  model      {route.get('model') or 'none'} because {route.get('reason') or 'unknown'};"
        f" fallbacks: {fallbacks}",
        f"  tokens     {usage['input_tokens']} in, {usage['output_tokens']} out,"
        f" {usage['tokens_saved']} saved",
        f"  cost       US$ {usage['cost_usd']}"
        + (f", {usage['paid_duplicates']} paid twice" if usage["paid_duplicates"] else ""),
        f"  time       {', '.join(stages) or 'none yet'}",
    ]
    return [line(each) for each in lines]
