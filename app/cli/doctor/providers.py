"""The providers: whether they accept how they are configured."""

from typing import Final

from redis import RedisError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional
from config.redis import bounded_client
from tasks.resilience.misconfigured import misconfigured

TIMEOUT_S: Final = 3


def check_providers(case: Case) -> Finding:
    """Recent refusals: a wrong key, an account without credit, an unknown model."""
    url = case.settings.redis_url.get_secret_value()
    if case.problem("REDIS_URL"):
        return optional("providers", "unknown without Redis", "fix REDIS_URL first")
    try:
        found = misconfigured(bounded_client(url, TIMEOUT_S))
    except (RedisError, ValueError):  # ValueError: the port is not a number
        return optional("providers", "unknown while Redis is unavailable", "start Redis first")
    if not found:
        return ok("providers", "none has refused a worker recently")
    variables = "; ".join(sorted({each.variable for each in found}))
    to_do = f"fix {variables} and restart the workers"
    return missing("providers", " ".join(each.message for each in found), to_do)
