"""Remember intents in Redis. It may forget everything at any time; a miss only costs time."""

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
    """The cache's key: the user and the normalised text, who classified it, and the version of the
    routes.

    The user belongs in it, since a hit shows on the receipt (`cached`) and in the stage's time: it
    must not tell one user what another has asked.
    """
    text = " ".join(unicodedata.normalize("NFKC", message).casefold().split())
    digest = hashlib.sha256(f"{user_id}\0{text}".encode()).hexdigest()
    return f"trimind:intent:{CLASSIFIER_VERSION}:{table}:{classifier}:{digest}"


def recall(name: str) -> Classification | None:
    """What is remembered under a key, if anything, and if Redis answers."""
    try:
        found = redis_client().get(name)
        return Classification.model_validate_json(str(found)) if found else None
    except redis.RedisError as error:
        outages.note("redis", error)
    except ValidationError as error:
        log.error("unreadable intent in the cache passed over", key=name, error=str(error))
    return None


def remember(name: str, found: Classification) -> None:
    """Keep a result for `INTENT_CACHE_S` seconds (0: not at all)."""
    seconds = get_settings().intent_cache_s
    if not seconds:
        return
    try:
        redis_client().set(name, found.model_dump_json(), ex=seconds)
    except redis.RedisError as error:
        outages.note("redis", error)
