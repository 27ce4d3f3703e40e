"""Stage 3, generate: stream the answer from the first model on the route that gives one."""

from config.minds import get_minds
from config.settings import get_settings
from models.broadcasts import Answer, answers_of
from models.history import linked, spoken, track
from models.stage_record import StageRecord
from models.statement import Runner
from tasks.execution.further_calls import reserve_failures
from tasks.execution.heartbeat import confirm
from tasks.execution.stage import stage
from tasks.execution.work import Outcome, Work
from tasks.llm.context import Exchange, exchanges, fit, tokens
from tasks.llm.gateway import Completion, stream
from tasks.llm.merge import Merge, merge
from tasks.llm.models import Target
from tasks.llm.route import Answered, complete_with_fallback
from tasks.llm.routing import Route, route_of
from tasks.policies import GENERATE
from tasks.resilience.transaction import run_statements_with_retry


@stage(GENERATE)
def generate(work: Work) -> Outcome:
    """Send the history and the prompt to the route's models, and stream the answer."""
    past, answers = _read(work)
    confirm(work)
    route = route_of(work, work.intent)
    merges: dict[str, Merge] = {}  # by model: built once, however often it is tried

    def ask(target: Target) -> Completion:
        reserve_failures(work)
        if answers and target.name not in merges:
            merges[target.name] = _merge(work, answers, target)
        return _ask(work, past, merges.get(target.name), target)

    answered = complete_with_fallback(route.models, ask, GENERATE, work.user_id, work.bill)
    return _outcome(route, work, answered, _record(answers, answered, merges.get(answered.model)))


def _read(work: Work) -> tuple[list[Exchange], list[Answer]]:
    """Return what was said before, and the answers to merge; without either, nothing is read."""
    if not work.has_past and not work.options.merges:
        return exchanges(work.options.history), []

    def read(connection: Runner) -> tuple[list[Exchange], list[Answer]]:
        return _past(connection, work), answers_of(connection, work.options.merges)

    return run_statements_with_retry(read, work.deadline)


def _past(connection: Runner, work: Work) -> list[Exchange]:
    """Return the chain that the job continues, else its mind's track; then the caller's history."""
    before = linked(connection, work.fence.job_id)
    if not before:
        before = spoken(track(connection, work.fence.job_id))
    return exchanges([*before, *work.options.history])


def _ask(work: Work, past: list[Exchange], merged: Merge | None, target: Target) -> Completion:
    settings, asked = get_settings(), work.options
    limit_s = settings.first_byte_limit_s + GENERATE.call_limit_s
    messages = fit(
        _system(work),
        past,
        merged.prompt if merged else _message(work),
        input_tokens=_input_tokens(work, target),
        history_tokens=settings.history_tokens,
    )
    return stream(
        target,
        messages,
        work,
        limit_s=max(1.0, min(limit_s, work.remaining_s)),
        temperature=settings.temperature if asked.temperature is None else asked.temperature,
        max_tokens=_max_tokens(work, target),
    )


def _merge(work: Work, answers: list[Answer], target: Target) -> Merge:
    room = _input_tokens(work, target) - tokens(_system(work))
    return merge(get_minds(), _message(work), answers, room)


def _system(work: Work) -> str:
    prompt = get_minds().mind(work.mind).system_prompt
    return "\n\n".join(filter(None, (prompt, work.options.instructions)))


def _message(work: Work) -> str:
    return work.prompt or work.message


def _input_tokens(work: Work, target: Target) -> int:
    return target.context_tokens - _max_tokens(work, target)


def _max_tokens(work: Work, target: Target) -> int:
    """Return the limit of an answer: the caller's, cut so that a prompt fits as well."""
    asked = work.options.max_tokens
    return min(asked, target.context_tokens // 2) if asked else get_settings().max_tokens


def _record(answers: list[Answer], answered: Answered, merged: Merge | None) -> StageRecord:
    return StageRecord(
        status="completed",
        model=answered.model,
        tried=[],  # `Work.ended` adds the models that failed
        first_token_ms=answered.completion.first_token_ms,
        merged=[answer.mind for answer in answers] if merged else None,
        cut=merged.cut if merged else None,
    )


def _outcome(route: Route, work: Work, answered: Answered, record: StageRecord) -> Outcome:
    made = answered.completion
    fell_back = f"fallback:{answered.tried[-1]['code']}" if answered.tried else None
    return Outcome(
        record,
        {
            "answer": made.text,
            "finish_reason": made.finish_reason,
            "route": route.column(answered.model, fell_back),
            **work.draft.saved().place,
        },
    )
