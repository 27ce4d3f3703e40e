"""Call a model: streaming for answers, in one piece for small decisions.

LiteLLM's classes write the request in the provider's protocol (`request.py`). It is sent, and the
response's bytes are read, here, since providers and compatible servers send more variants than
LiteLLM's parsers know.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import structlog

from models.errors import (
    ProviderMisconfigured,
    ProviderUnavailable,
    TrimindError,
    UnusableAnswer,
)
from models.ids import age_of
from tasks.bill import Bill
from tasks.execution.precedence import precedence
from tasks.execution.work import Work
from tasks.llm.call_span import call_span, note_answer
from tasks.llm.failures import LIBRARY_ERRORS, translate_error
from tasks.llm.library import TRANSPORT, exception_type
from tasks.llm.models import Target
from tasks.llm.pieces import ErrorEvent
from tasks.llm.provider_error import parse_error
from tasks.llm.reading import EMPTY, Completion, Messages, Reading, read_whole
from tasks.llm.request import Parameters, form
from tasks.llm.sse import CutOff, MalformedAnswer, values
from tasks.llm.watch import Watch
from tasks.metrics.declared import FIRST_TOKEN, JOB_FIRST_TOKEN, MODEL_CALLS

# The bytes allowed per character of an answer: JSON escapes one with 6 or 12 bytes, and in a stream
# a token of a few characters comes in an event of some hundred bytes.
VALUE_BYTES: Final = 12
STREAM_BYTES: Final = 250
SPARE_BYTES: Final = 1024 * 1024
# More than a small JSON object and its envelope take.
DECISION_BYTES: Final = 1024 * 1024
# After the finish reason, the token count may still follow; after that, only the end of the body,
# which makes the connection reusable.
AFTER_END_S: Final = 10.0
DRAIN_S: Final = 0.2

# The label of a call that did not fail.
OK: Final = "ok"

log = structlog.get_logger(__name__)

__all__ = ["Completion", "Messages", "ask_json", "stream"]


def stream(
    target: Target, messages: Messages, work: Work, *, limit_s: float, **parameters: Any
) -> Completion:
    """Stream an answer to its end, and add its cost to the work's bill however it ends.

    The call ends after `limit_s`, or after the target's limit of silence, which differs before and
    after the first text. If the work is stopped, it ends within a second (Superseded).

    Raises:
        ContextTooLong, RateLimited, ProviderUnavailable, ProviderRejected, ProviderMisconfigured,
        UnusableAnswer: as the provider fails.
    """
    precedence.give_way()  # before the call has a limit, and the model a time to its first text
    max_bytes = target.max_chars * STREAM_BYTES + SPARE_BYTES
    watch = Watch(
        target.name, limit_s, min(target.first_byte_limit_s, limit_s), max_bytes, work.stop
    )
    asked = Parameters(stream=True, **parameters)
    work.draft.restart()
    reading = Reading(target, messages, work.draft)
    try:
        with call_span(target, messages) as span:
            with _watched(target, watch):
                response = _send(target, messages, asked, limit_s, watch)
                size = target.max_chars * VALUE_BYTES + SPARE_BYTES
                _read(target, watch, reading, values(response.iter_raw(), size))
            made = reading.completion()
            note_answer(span, made.text, made.spent)
    except TrimindError as error:
        billed = reading.is_billed or watch.abandoned
        work.bill.failed(target.name, error.code, reading.spent() if billed else None)
        MODEL_CALLS.add(target.name, error.code)
        raise
    work.bill.add(made.spent)
    MODEL_CALLS.add(target.name, OK)
    FIRST_TOKEN.observe(made.first_token_ms / 1000, target.name)
    JOB_FIRST_TOKEN.observe(age_of(work.fence.job_id) - reading.text_s)
    return made


def _send(
    target: Target, messages: Messages, parameters: Parameters, limit_s: float, watch: Watch
) -> httpx.Response:
    """Send a request. Raises LiteLLM's error for what the provider refuses, or httpx's."""
    try:
        made = form(target, parameters)
        response = TRANSPORT.send(made.request(messages, limit_s), watch)
        if response.is_success:
            return response
        said = response.read().decode("utf-8", "replace")
        raise made.config.get_error_class(said, response.status_code, response.headers)
    except LIBRARY_ERRORS:
        raise
    except Exception as error:  # the boundary: LiteLLM translates its classes' errors
        raise exception_type(
            model=target.litellm_model,
            original_exception=error,
            custom_llm_provider=target.protocol,
        ) from error


def _read(target: Target, watch: Watch, reading: Reading, received: Iterator[Any]) -> None:
    try:
        for value in received:
            if not reading.take(value):
                break
            _pace(target, watch, reading)
        else:
            return
        watch.end_within(DRAIN_S)
        for _ in received:
            return  # there is more: the connection is closed rather than read to its end
    except (*LIBRARY_ERRORS, ErrorEvent, CutOff, MalformedAnswer) as error:
        if watch.stopped or not reading.ended:
            raise
        # The answer is complete; what follows its finish reason is dispensable.
        log.debug("answer ended irregularly", model=target.name, error=repr(error))
        watch.failure = None


def _pace(target: Target, watch: Watch, reading: Reading) -> None:
    """Adjust the limits: a model may reason before its first text, but not after its end."""
    watch.end_within(AFTER_END_S if reading.ended and not reading.has_grown else None)
    if reading.first_token_ms:
        watch.silence_s = target.idle_limit_s


def ask_json(
    target: Target,
    messages: Messages,
    schema: dict[str, Any],
    *,
    limit_s: float,
    max_tokens: int,
    bill: Bill | None = None,
) -> str:
    """Request a small JSON object of this schema, and return its text.

    The text is neither parsed nor checked against the schema. Its cost goes on the bill. Raises the
    same errors as `stream`.
    """
    precedence.give_way()
    bill = bill or Bill()
    watch = Watch(target.name, limit_s, limit_s, DECISION_BYTES)
    asked = Parameters(max_tokens, temperature=0, schema=json.dumps(schema))
    answer = EMPTY
    try:
        with call_span(target, messages) as span:
            with _watched(target, watch):
                response = _send(target, messages, asked, limit_s, watch)
                answer = read_whole(target, values([response.read()], DECISION_BYTES))
            if not answer.text.strip():
                raise UnusableAnswer(f"{target.name} returned an empty answer ({answer.finish}).")
            paid = answer.spent(target, messages)
            note_answer(span, answer.text, paid)
    except TrimindError as error:
        billed = answer != EMPTY or watch.abandoned
        spent = answer.spent(target, messages) if billed else None
        bill.failed(target.name, error.code, spent)
        MODEL_CALLS.add(target.name, error.code)
        raise
    bill.add(paid)
    MODEL_CALLS.add(target.name, OK)
    return answer.text


@contextmanager
def _watched(target: Target, watch: Watch) -> Iterator[None]:
    """Make a call under a watch, and translate its errors."""
    try:
        if watch.stopped:
            watch.check(0)
        with watch:
            yield
    except (*LIBRARY_ERRORS, ErrorEvent, CutOff, MalformedAnswer) as error:
        failure = watch.failure or _translate(error, target, watch)
        if watch.failure is not None and isinstance(failure, ProviderMisconfigured):
            failure = _redirected(failure, target)
        raise failure from error


def _redirected(failure: ProviderMisconfigured, target: Target) -> ProviderMisconfigured:
    variable = target.address_variable
    return ProviderMisconfigured(
        f"{failure} Check {variable or 'the provider'}.", variable=variable or target.key_variable
    )


def _translate(error: Exception, target: Target, watch: Watch) -> TrimindError:
    if isinstance(error, MalformedAnswer):
        return UnusableAnswer(f"{target.name} sent a malformed answer ({error}).")
    if isinstance(error, CutOff):
        return ProviderUnavailable(f"{target.name} broke off.")
    if isinstance(error, ErrorEvent):
        said = parse_error(error.status_code, error.body, in_band=True)
        return translate_error(error, target.name, None, said)
    response = watch.response
    if response is None or response.is_success:
        return translate_error(error, target.name)
    said = parse_error(response.status_code, _body(response))
    return translate_error(error, target.name, response.headers, said)


def _body(response: httpx.Response) -> bytes:
    """An error's body, if it could be read."""
    try:
        return response.content
    except httpx.ResponseNotRead:
        return b""
