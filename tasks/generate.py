"""Stage 3, generate: the answer, from the first model of the route that gives one."""

from typing import Any

from config.minds import get_minds
from config.settings import get_settings
from models.broadcasts import Answer, answers_of
from models.tracks import Turn, track
from tasks.heartbeat import stopping
from tasks.llm.context import fit, tokens
from tasks.llm.gateway import Completion, stream
from tasks.llm.merge import Merge, merge
from tasks.llm.models import Target, target
from tasks.llm.route import Answered, walk
from tasks.policies import GENERATE
from tasks.resilience.database import patiently
from tasks.stage import stage
from tasks.work import Outcome, Work


@stage(GENERATE)
def generate(work: Work) -> Outcome:
    """Give the mind its track and the prompt, and stream the answer from the route's models."""
    turns = patiently(lambda session: track(session, work.fence.job_id), work.deadline, stopping)
    answers = patiently(
        lambda session: answers_of(session, work.options.merges), work.deadline, stopping
    )
    models = get_minds().route(work.mind, work.intent or "other", get_settings())
    answered = walk(models, lambda target: _ask(work, turns, answers, target), GENERATE)
    return _outcome(models, work, answered, _line(work, answers, answered))


def _ask(work: Work, turns: list[Turn], answers: list[Answer], target: Target) -> Completion:
    settings = get_settings()
    messages = fit(
        get_minds().mind(work.mind).system_prompt,
        turns,
        _merge(work, answers, target).prompt if answers else _message(work),
        input_tokens=_input_tokens(target),
        history_tokens=settings.history_tokens,
    )
    return stream(
        target,
        messages,
        work,
        limit_s=max(1.0, min(GENERATE.call_limit_s, work.remaining_s)),
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
    )


def _merge(work: Work, answers: list[Answer], target: Target) -> Merge:
    minds = get_minds()
    room = _input_tokens(target) - tokens(minds.mind(work.mind).system_prompt)
    return merge(minds, _message(work), answers, room)


def _message(work: Work) -> str:
    return work.prompt or work.message


def _input_tokens(target: Target) -> int:
    return target.context_tokens - get_settings().max_tokens


def _line(work: Work, answers: list[Answer], answered: Answered) -> dict[str, Any]:
    line = {
        "model": answered.model,
        "tried": answered.tried,
        "first_token_ms": answered.completion.first_token_ms,
    }
    if not answers:
        return line
    cut = _merge(work, answers, target(answered.model)).cut
    return {**line, "merged": [answer.mind for answer in answers], "cut": cut}


def _outcome(
    models: tuple[str, ...], work: Work, answered: Answered, line: dict[str, Any]
) -> Outcome:
    made = answered.completion
    reason = f"intent:{work.intent}"
    if answered.tried:
        reason = f"fallback:{answered.tried[-1]['code']}"
    return Outcome(
        "completed",
        line,
        {
            "answer": made.text,
            "finish_reason": made.finish_reason,
            "route": {
                "model": answered.model,
                "reason": reason,
                "fallbacks": [m for m in models if m != answered.model],
            },
            "input_tokens": made.input_tokens,
            "output_tokens": made.output_tokens,
            "cost_usd": made.cost_usd,
            **work.draft.saved().place,
        },
    )
