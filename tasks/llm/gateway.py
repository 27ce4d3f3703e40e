"""Call a model: streaming for answers, in one piece for small decisions.

LiteLLM builds and sends the request in the provider's protocol. The response's bytes are read here,
since providers and compatible servers send more variants than LiteLLM's parsers know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpcore
import httpx
import openai
import structlog

from models.errors import (
    ProviderMisconfigured,
    ProviderUnavailable,
    TrimindError,
    UnusableAnswer,
)
from tasks.bill import Bill
from tasks.execution.work import Work
from tasks.llm.failures import LIBRARY_ERRORS, translate_error
from tasks.llm.library import exception_type, litellm
from tasks.llm.models import Target
from tasks.llm.pieces import ErrorEvent
from tasks.llm.provider_error import parse_error
from tasks.llm.reading import EMPTY, Completion, Messages, Reading, read_whole
from tasks.llm.sse import CutOff, MalformedAnswer, values
from tasks.llm.watch import Watch, current

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
    max_bytes = target.max_chars * STREAM_BYTES + SPARE_BYTES
    watch = Watch(
        target.name, limit_s, min(target.first_byte_limit_s, limit_s), max_bytes, work.stop
    )
    work.draft.restart()
    reading = Reading(target, messages, work.draft)
    try:
        with _watched(target, watch):
            opened = _call(
                target,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
                timeout=limit_s,
                **parameters,
            )
            _open(target, opened)
            _read(target, watch, reading, target.max_chars * VALUE_BYTES + SPARE_BYTES)
        made = reading.completion()
    except TrimindError as error:
        billed = reading.is_billed or watch.abandoned
        work.bill.failed(target.name, error.code, reading.spent() if billed else None)
        raise
    work.bill.add(made.spent)
    return made


def _open(target: Target, opened: Any) -> None:
    """Send the request if LiteLLM defers that to the first chunk, as for Gemini."""
    try:
        opened.fetch_sync_stream()
    except LIBRARY_ERRORS:
        raise
    except Exception as error:  # noqa: BLE001 (the boundary: LiteLLM translates it to its own)
        exception_type(
            model=target.litellm_model,
            original_exception=error,
            custom_llm_provider=target.protocol,
            completion_kwargs={},
            extra_kwargs={},
        )


def _read(target: Target, watch: Watch, reading: Reading, value_bytes: int) -> None:
    response = watch.response
    if response is None:
        raise ProviderUnavailable(f"{target.name} did not answer.")
    received = values(response.iter_raw(), value_bytes)
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
    bill = bill or Bill()
    watch = Watch(target.name, limit_s, limit_s, DECISION_BYTES)
    answer = EMPTY
    try:
        with _watched(target, watch):
            _ask_whole(target, watch, messages, schema, timeout=limit_s, max_tokens=max_tokens)
            body = watch.response.content if watch.response is not None else b""
            answer = read_whole(target, values([body], DECISION_BYTES))
        if not answer.text.strip():
            raise UnusableAnswer(f"{target.name} returned an empty answer ({answer.finish}).")
    except TrimindError as error:
        billed = answer != EMPTY or watch.abandoned
        spent = answer.spent(target, messages) if billed else None
        bill.failed(target.name, error.code, spent)
        raise
    bill.add(answer.spent(target, messages))
    return answer.text


def _ask_whole(
    target: Target, watch: Watch, messages: Messages, schema: dict[str, Any], **limits: Any
) -> None:
    try:
        _call(
            target,
            messages=messages,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
            temperature=0,
            **limits,
        )
    except Exception as error:
        if watch.failure is not None or not watch.answered:
            raise
        # A variant that LiteLLM can't parse. It is read from its bytes, like every answer.
        log.debug("answer not parsed by LiteLLM", model=target.name, error=type(error).__name__)


def _call(target: Target, **arguments: Any) -> Any:
    answer = litellm.completion(**target.call(), **arguments)
    watch = current()
    if answer is None and watch is not None and watch.response is not None:
        # LiteLLM returns None for a 422 that it could not handle.
        raise openai.UnprocessableEntityError("", response=watch.response, body=None)
    return answer


@contextmanager
def _watched(target: Target, watch: Watch) -> Iterator[None]:
    """Make a call under a watch, and translate its errors."""
    try:
        if watch.stopped:
            watch.check(0)
        with watch:
            yield
    except (*LIBRARY_ERRORS, httpcore.ReadTimeout, ErrorEvent, CutOff, MalformedAnswer) as error:
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
    """An error's body, if LiteLLM has read it."""
    try:
        return response.content
    except httpx.ResponseNotRead:
        return b""
