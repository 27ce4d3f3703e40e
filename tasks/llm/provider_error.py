"""Parse a provider's error: its structured fields only, since the rest may repeat the prompt."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from tasks.llm.pieces import fields, items

# The form of a code, type or reason, which is neither a sentence nor a prompt.
_WORD: Final = re.compile(r"[\w.:/-]{1,64}")
_WORDS_AT: Final = ("code", "type", "status", "reason")
# How messages begin at providers that have no code for it.
_NO_CREDIT_OR_KEY: Final = re.compile(
    r"your credit balance is too low"
    r"|your (?:team|account|organization)\b.{0,80}\b(?:all available credits|spending limit)"
    r"|api key (?:not valid|expired|not found)|(?:incorrect|invalid) api key"
    r"|user location is not supported",
    re.IGNORECASE,
)
_TOO_LONG: Final = re.compile(
    r"(?:the |your )?(?:prompt|input|request)(?: is)? too (?:long|large)"
    r"|your input exceeds the context window|prompt contains \d+ tokens\b.{0,80}\btoo large"
    r"|this model's maximum context length is|(?:the )?input token count\b.{0,40}\bexceeds"
    r"|input length and `?max_tokens`? exceed",
    re.IGNORECASE,
)
_NO_MODEL: Final = re.compile(
    r"(?:/\S+: )?(?:"  # LiteLLM's proxy prepends the path
    r"(?:invalid|unknown|unrecognized|unsupported|no such) model\b"
    r"|model (?:not found|not exist|does not exist)"
    r"|models?/\S{1,200} is not (?:found|supported)"
    r"|(?:the )?(?:requested )?model:? *\S{1,200} "
    r"(?:does not exist|doesn't exist|(?:is |was )?not found|is not available|is not supported\W*$"
    r"|has been (?:deprecated|decommissioned|retired|removed)"
    r"|is (?:deprecated|decommissioned|retired|unknown|invalid|no longer (?:available|supported)))"
    r"|\S{1,200} is not a valid model\b"
    r"|unable to access model\b|the provided model identifier is invalid"
    r"|\* generatecontentrequest\.model: "
    r")",
    re.IGNORECASE,
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CONTEXT: Final = _set(
    "context_length_exceeded context_window_exceeded exceed_context_size_error "
    "context_limit_exceeded request_too_large"
)
_CONTENT: Final = _set(
    "content_filter content_filtered content_policy_violation responsibleaipolicyviolation "
    "invalid_prompt prompt_blocked content_moderation moderation_blocked moderation_failed "
    "data_inspection_failed sensitive_words_detected prohibited_content safety"
)
_MODEL: Final = _set(
    "model_not_found invalid_model invalid_model_error unknown_model model_not_available "
    "model_not_supported model_decommissioned model_deprecated model_not_exist nosuchmodel "
    "deploymentnotfound not_found_error notfounderror not_found"
)
_CREDIT: Final = _set(
    "insufficient_quota billing_hard_limit_reached billing_not_active billing_error "
    "insufficient_balance insufficient_credits exceeded_current_quota_error arrearage "
    "payment_required"
)
_OPERATOR: Final = _CREDIT | _set(
    "account_deactivated access_terminated invalid_api_key incorrect_api_key "
    "api_key_invalid api_key_expired authentication_error unauthenticated permission_error "
    "permission_denied failed_precondition unsupported_country_region_territory"
)


@dataclass(frozen=True)
class ProviderError:
    """A provider's error.

    Attributes:
        status: the HTTP status, if known.
        words: the codes, types and reasons, in lower case.
        parameter: the parameter that the error is about.
        in_band: whether it came with status 200; `status` is then derived from `words`.
    """

    status: int | None
    words: frozenset[str] = frozenset()
    message: str = ""
    parameter: str = ""
    in_band: bool = False

    @property
    def refuses_content(self) -> bool:
        """Whether the provider refuses the prompt's content."""
        return bool(self.words & _CONTENT)

    @property
    def too_long(self) -> bool:
        """Whether the request exceeds the model's context window."""
        return bool(self.words & _CONTEXT or _TOO_LONG.match(self.message))

    @property
    def unknown_model(self) -> bool:
        """Whether the provider does not know the model, or the URL."""
        if self.status in (404, 405) or self.words & _MODEL or self.parameter == "model":
            return True
        return bool(_NO_MODEL.match(self.message))

    @property
    def no_credit_or_key(self) -> bool:
        """Whether the account is not authorized or can't pay."""
        return bool(self.words & _OPERATOR or _NO_CREDIT_OR_KEY.match(self.message))

    @property
    def no_credit(self) -> bool:
        """Whether the account can't pay."""
        return self.status == HTTPStatus.PAYMENT_REQUIRED or bool(self.words & _CREDIT)

    @property
    def word(self) -> str | None:
        """The most telling known word, for people."""
        return next(iter(sorted(self.words & (_MODEL | _OPERATOR | _CONTENT))), None)


def parse_error(status: int | None, body: Any, *, in_band: bool = False) -> ProviderError:
    """Parse an error's body, which is JSON, raw or parsed. Of any other body, only the status is
    used."""
    said = _parsed(body)
    error = said.get("error")
    inner = error if isinstance(error, dict) else fields(said.get("detail")) or said
    message = error if isinstance(error, str) else inner.get("message") or said.get("message")
    parameter = inner.get("param")
    return ProviderError(
        status,
        frozenset(_words(inner) if inner is said else [*_words(said), *_words(inner)]),
        message.strip() if isinstance(message, str) else "",
        parameter if isinstance(parameter, str) else "",
        in_band,
    )


def _parsed(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes | str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    if isinstance(body, list):  # Gemini's, if no event stream was requested
        body = next((each for each in body if isinstance(each, dict)), {})
    return fields(body)


def _words(said: dict[str, Any]) -> Iterator[str]:
    nested = [fields(said.get("innererror")), *map(fields, items(said.get("details")))]
    for each in (said, *nested):
        for name in _WORDS_AT:
            value = each.get(name)
            if isinstance(value, str) and _WORD.fullmatch(value.strip()):
                yield value.strip().lower()
    if fields(said.get("metadata")).get("flagged_input"):  # OpenRouter's moderation, a 403
        yield "content_filter"
