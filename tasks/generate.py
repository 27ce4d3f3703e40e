"""Stage 3, generate: the answer, from the first model of the route that gives one."""

from config.minds import get_minds
from config.settings import get_settings
from models.tracks import Turn, track
from tasks.heartbeat import stopping
from tasks.llm.context import fit
from tasks.llm.gateway import Completion, stream
from tasks.llm.models import Target
from tasks.llm.route import Answered, walk
from tasks.policies import GENERATE
from tasks.resilience.database import patiently
from tasks.stage import stage
from tasks.work import Outcome, Work


@stage(GENERATE)
def generate(work: Work) -> Outcome:
    """Give the mind its track and the prompt, and stream the answer from the route's models."""
    turns = patiently(lambda session: track(session, work.fence.job_id), work.deadline, stopping)
    models = get_minds().route(work.mind, work.intent or "other", get_settings())
    answered = walk(models, lambda target: _ask(work, turns, target), GENERATE)
    return _outcome(models, work, answered)


def _ask(work: Work, turns: list[Turn], target: Target) -> Completion:
    settings = get_settings()
    messages = fit(
        get_minds().minds[work.mind].system_prompt,
        turns,
        work.prompt or work.message,
        input_tokens=target.context_tokens - settings.max_tokens,
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


def _outcome(models: tuple[str, ...], work: Work, answered: Answered) -> Outcome:
    made = answered.completion
    reason = f"intent:{work.intent}"
    if answered.tried:
        reason = f"fallback:{answered.tried[-1]['code']}"
    line = {
        "model": answered.model,
        "tried": answered.tried,
        "first_token_ms": made.first_token_ms,
    }
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
