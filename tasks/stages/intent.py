"""Stage 1, intent: classify the message and choose the models that answer it."""

import structlog

from config.minds import EMBEDDED_MODEL, FALLBACK_INTENT, get_minds, with_keys
from config.settings import get_settings
from models.errors import PermanentError, TransientError
from models.stage_record import StageRecord
from tasks.execution.stage import stage
from tasks.execution.work import Outcome, Work
from tasks.llm.models import target
from tasks.llm.routing import route_of
from tasks.metrics.declared import CACHE_LOOKUPS
from tasks.nlu import cache, llm_classifier, local
from tasks.nlu.classification import Classification
from tasks.policies import INTENT
from tasks.resilience.breaker import circuit_breaker
from tasks.resilience.misconfigured import reporting_misconfigured

log = structlog.get_logger(__name__)


@stage(INTENT)
def intent(work: Work) -> Outcome:
    """Recall or classify the message's intent, and fix the route accordingly.

    A configured model classifies it; without one, or if it fails, the local classifier does.
    """
    classifier = _classifier()
    remembered = cache.key(work.user_id, work.message, classifier or "local", get_minds().version)
    found = cache.recall(remembered)
    CACHE_LOOKUPS.add("intents", "miss" if found is None else "hit")
    if found is not None:
        return _outcome(work, found, cached=True)
    if classifier is None:
        found = local.classify(work.message)
    else:
        try:
            found = _ask(work, classifier)
        except (TransientError, PermanentError) as error:
            log.warning("classifier failed", model=classifier, error=str(error))
            return _outcome(work, local.classify(work.message), degraded=error.code)
    cache.remember(remembered, found)
    return _outcome(work, found, cached=False)


def _classifier() -> str | None:
    """Return the first classifier model that has a key. The embedded model is too weak for this."""
    models = with_keys(get_minds().intent_models, get_settings())
    return models[0] if models and models[0] != EMBEDDED_MODEL else None


def _ask(work: Work, model: str) -> Classification:
    breaker = circuit_breaker(f"classifier:{model}", INTENT.breaker, work.user_id)
    with reporting_misconfigured(model), breaker:
        return llm_classifier.classify(
            work.message, get_minds().intents, target(model), INTENT.call_limit_s, work.bill
        )


def _outcome(
    work: Work, found: Classification, *, cached: bool = False, degraded: str | None = None
) -> Outcome:
    name = found.intent if found.intent in get_minds().intents else FALLBACK_INTENT
    route = route_of(work, name)
    return Outcome(
        StageRecord(
            status="degraded" if degraded else "completed",
            intent=name,
            confidence=found.confidence,
            cached=cached,
            reason=degraded,
        ),
        columns={"intent": name, "route": route.column(next(iter(route.models), None))},
    )
