"""A cache of intents in Redis. Losing it costs only time."""

import hashlib
import unicodedata

import redis
import structlog
from pydantic import ValidationError

from config.outages import outages
from config.redis import redis_client
from config.settings import get_settings
from tasks.nlu.classification import CLASSIFIER_VERSION, Classification

log = structlog.get_logger(__name__)


def key(user_id: str, message: str, classifier: str, table: str) -> str:
    """Return the cache key for a user's message.

    The user is part of it because a hit shows on the receipt (`cached`) and in the stage's
    duration: it would reveal to one user what another has asked.

    Args:
        user_id: the user.
        message: the message, which is normalized.
        classifier: the name of the classifier.
        table: the version of the routes.
    """
    text = " ".join(unicodedata.normalize("NFKC", message).casefold().split())
    digest = hashlib.sha256(f"{user_id}\0{text}".encode()).hexdigest()
    return f"trimind:intent:{CLASSIFIER_VERSION}:{table}:{classifier}:{digest}"


def recall(name: str) -> Classification | None:
    """Return the cached result, or None if there is none or Redis is unavailable."""
    try:
        found = redis_client().get(name)
        return Classification.model_validate_json(str(found)) if found else None
    except redis.RedisError as error:
        outages.note("redis", error)
    except ValidationError as error:
        log.error("unreadable cached intent ignored", key=name, error=str(error))
    return None


def remember(name: str, found: Classification) -> None:
    """Cache a result for `INTENT_CACHE_S` seconds; 0 disables the cache."""
    seconds = get_settings().intent_cache_s
    if not seconds:
        return
    try:
        redis_client().set(name, found.model_dump_json(), ex=seconds)
    except redis.RedisError as error:
        outages.note("redis", error)
