"""What a job may cost at most, and its reservation from the budget of its user."""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from decimal import ROUND_UP, Decimal
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from config.minds import EMBEDDED_MODEL, get_minds, with_keys
from config.settings import get_settings
from models.errors import PricesUnknown
from models.job_options import Options
from models.jobs import Job
from models.known_limits import known_limits
from models.prices import Price, prices_of
from models.spend import reserve
from models.statement import Runner
from tasks.policies import CLASSIFIER_ANSWER_TOKENS, CLASSIFIER_SHOWN_CHARS

# A token has at least one byte. What providers add to the messages, and we to an answer that is
# merged, or to a message that is classified.
ADDED_TOKENS: Final = 64
MERGE_TOKENS: Final = 300
CLASSIFIER_TOKENS: Final = 1000
PRICES_FRESH_S: Final = 60.0
MICRO: Final = Decimal("0.000001")

_kept: "WeakKeyDictionary[Engine, tuple[float, dict[str, Price]]]" = WeakKeyDictionary()
_keeping = threading.Lock()


def limit_of(user_id: str, within: Runner | None = None) -> Decimal | None:
    """The budget of a user for each month in US dollars; None: the user has none. `within` as in
    `KnownLimits.of`."""
    return known_limits().of(user_id, within).budget_usd


def reservation(
    session: Session, message: str, columns: Mapping[str, Any], *, first: bool
) -> dict[str, Any]:
    """Reserve what a job may cost at most; returns the job's columns that say so, none if its user
    has no budget or the job can't cost anything.

    Args:
        message: the message to answer.
        columns: the job's other columns.
        first: the conversation is new.

    Raises:
        BudgetExceeded: so much is not left.
        PricesUnknown: no worker has stored the price of a model yet.
    """
    user_id = columns["user_id"]
    limit = limit_of(user_id, session)
    if limit is None:
        return {}
    usd = most_usd(session, message, columns, first=first)
    if not usd:
        return {}
    return {"reserved_usd": usd, "budget_month": reserve(session, user_id, limit, usd)}


def most_usd(session: Session, message: str, columns: Mapping[str, Any], *, first: bool) -> Decimal:
    """What classifying and answering a message once can cost at most, by the dearest model.

    Calls that fail are billed as well, but can't be known: they are settled in addition.
    """
    minds, settings = get_minds(), get_settings()
    options = Options.of(columns["options"])
    mind = minds.mind(columns["mind"])
    routes = (minds.routes[route] for route in set(mind.routes.values()))
    routed = {model for route in routes for model in with_keys(route, settings)}
    models = [options.model] if options.model else sorted(routed)
    classifiers = with_keys(minds.intent_models, settings)[:1]
    prices = _prices(session, [*models, *classifiers])
    sent = ADDED_TOKENS + _bytes(mind.system_prompt, options.instructions or "", message)
    if not first or options.history:
        sent += settings.history_tokens
    if options.merges:
        sent += _answers_bytes(session, options.merges) + MERGE_TOKENS * len(options.merges)
    made = options.max_tokens or settings.max_tokens
    usd = max((_cost(prices[model], sent, made) for model in models), default=Decimal(0))
    for model in classifiers:
        usd += _cost(prices[model], _classified(message), CLASSIFIER_ANSWER_TOKENS)
    return usd.quantize(MICRO, ROUND_UP)


def _cost(price: Price, sent: int, made: int) -> Decimal:
    return price.input_usd * min(sent, price.context_tokens) + price.output_usd * made


def _classified(message: str) -> int:
    shown = json.dumps(message[:CLASSIFIER_SHOWN_CHARS], ensure_ascii=False)
    intents = (f"{name} {what}" for name, what in get_minds().intents.items())
    return CLASSIFIER_TOKENS + _bytes(shown, *intents)


def _bytes(*texts: str) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _answers_bytes(session: Session, job_ids: Iterable[str]) -> int:
    answers = select(func.sum(func.octet_length(Job.answer))).where(Job.id.in_(list(job_ids)))
    return session.scalar(answers) or 0


def _prices(session: Session, models: Iterable[str]) -> Mapping[str, Price]:
    """The prices of these models, read at most a minute ago."""
    priced = [model for model in models if model != EMBEDDED_MODEL]
    known = _known_prices(session, priced)
    missing = [model for model in priced if model not in known]
    if missing:
        raise PricesUnknown(f"No worker has stored the price of {' and '.join(missing)} yet.")
    return {**known, EMBEDDED_MODEL: Price(Decimal(0), Decimal(0), 0)}


def _known_prices(session: Session, models: list[str]) -> Mapping[str, Price]:
    engine = session.connection().engine
    read_at, known = _kept.get(engine, (0.0, {}))
    if all(model in known for model in models) and time.monotonic() - read_at < PRICES_FRESH_S:
        return known
    found = prices_of(session)
    with _keeping:
        _kept[engine] = (time.monotonic(), found)
    return found
