"""Logging: one line per event, as text or JSON, with the job and task it belongs to."""

import logging
import os
import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

from config.environ import said
from config.json_log import LineHandler, capture_everything, write_line
from config.process import process_kind
from config.text_log import TextHandler, one_line, render_text, write_text

# Every line of these names the request and the user, or null.
WORKERS: Final = frozenset({"worker", "cpu"})
# Our own line for each stage is more informative.
NOISY: Final = (
    "LiteLLM",
    "alembic.runtime.plugins",
    "celery.app.trace",
    "celery.worker.strategy",
    "httpcore",
    "httpx",
)
SECRET: Final = re.compile(
    # Up to the word's last @: a password that is not percent-encoded may contain any character.
    r"(?P<url>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s\"'<>]+(?=@)"
    r"|(?P<parameter>[?&](?:ssl|sentinel_)?password=)[^\s&\"'<>]+"
    # Keys; our tokens of sessions, links and streams; webhooks' secrets; JWTs.
    r"|(?P<key>\b(?:sk-|tm_|tms_|tml_|tmst_|whsec_|AIza|Bearer\s+|eyJ(?=[\w-]+\.[\w-]+\.)))"
    r"[A-Za-z0-9._+/=\-]{8,}"
)


LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


def mask(text: str) -> str:
    """Mask passwords in URLs and API keys in a text bound for a log or a client."""
    if not _may_have_secret(text):
        return text
    return SECRET.sub(
        lambda found: f"{found['url'] or found['parameter'] or found['key']}***", text
    )


def _may_have_secret(text: str) -> bool:
    # Nearly no text has one, and a tenth of a line's cost was to look for them all.
    return (
        "://" in text
        or "sk-" in text
        or "tm_" in text
        or "tms" in text
        or "tml_" in text
        or "whsec_" in text
        or "eyJ" in text
        or "password=" in text
        or "Bearer" in text
        or "AIza" in text
    )


def _mask_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask(value)
    return event


def _name_process(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["process"], event["pid"] = process_kind(), os.getpid()
    if process_kind() in WORKERS:
        event.setdefault("request_id", None)
        event.setdefault("user_id", None)
    return event


def begin_logging() -> None:
    """Configure logging from the environment, before this process imports anything else.

    If LOG_FORMAT is `json`, everything that the process writes from now on is JSON. The settings
    report an invalid value, once they are read.
    """
    level = (said("LOG_LEVEL") or "INFO").strip()
    if (said("LOG_FORMAT") or "").strip() == "json":
        configure_logging(level if level in LEVELS else "INFO", "json")


def configure_logging(level: str = "INFO", fmt: str = "text") -> None:
    """Send structlog and the standard library's loggers to stderr in the same form.

    Our own lines pass by the standard library, which would take half of their time.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [structlog.processors.format_exc_info, _mask_values]
    handler: logging.Handler
    if fmt == "json":
        last += [_name_process, structlog.processors.JSONRenderer()]
        handler, write = LineHandler(), write_line
        capture_everything()
    else:
        last += [one_line, render_text]
        handler, write = TextHandler(), write_text
    foreign = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=foreign)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    lines = Lines(write)
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=lambda *_: lines,
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        cache_logger_on_first_use=True,
    )


class Lines:
    """A logger, as structlog calls it, that writes lines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = write
