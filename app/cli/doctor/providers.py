"""The providers: whether they serve us as they are set up."""

from typing import Final

from redis import RedisError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional
from config.redis import bounded_client
from tasks.resilience.misconfigured import misconfigured

TIMEOUT_S: Final = 3


def check_providers(case: Case) -> Finding:
    """What the workers have met of late: a wrong key, no credit, a model that is not known."""
    url = case.settings.redis_url.get_secret_value()
    if case.problem("REDIS_URL"):
        return optional("providers", "not known without Redis", "mend REDIS_URL first")
    try:
        found = misconfigured(bounded_client(url, TIMEOUT_S))
    except (RedisError, ValueError):  # ValueError: a port that is no number
        return optional("providers", "not known while Redis is away", "start it first")
    if not found:
        return ok("providers", "none has refused a worker of late")
    variables = "; ".join(sorted({each.variable for each in found}))
    to_do = f"mend {variables}; the workers read it at their start"
    return missing("providers", " ".join(each.message for each in found), to_do)
