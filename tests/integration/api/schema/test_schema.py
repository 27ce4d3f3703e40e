"""Every call of /openapi.json, fuzzed against the server, is answered as documented.

For a longer run: SCHEMA_EXAMPLES=1000 SCHEMA_SEED=7.
"""

import os
from collections.abc import Callable, Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import BaseSchema
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from .caller import Caller
from .samples import Samples, ending

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "20"))
SEED = int(os.environ.get("SCHEMA_SEED", "4"))
CONFIG = {
    "seed": SEED,
    "generation": {"with-security-parameters": False, "allow-x00": False},
    "output": {"sanitization": {"enabled": False}},
}
SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize="SCHEMA_SEED" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


# For browsers, which sign in first: see test_sessions.py.
BY_COOKIE = "/v1/session"


@pytest.fixture
def web(serve, dead_address) -> httpx.Client:
    return serve(BIND=dead_address, WAIT_MAX_S="1", RESPONSE_HOLD_S="1")


@pytest.fixture
def samples(web) -> Iterator[Samples]:
    samples = Samples(web)
    with ending(samples):
        yield samples


@pytest.fixture
def document(web) -> BaseSchema:
    sent = web.get("/openapi.json").json()
    return schemathesis.openapi.from_dict(sent, config=SchemathesisConfig.from_dict(CONFIG))


@pytest.mark.no_cover  # what is tested runs in another process
def test_every_call_answers_as_documented(document, web, samples, subtests):
    load_all_checks()
    caller = Caller(web, samples)
    for found in document.get_all_operations():
        operation = found.ok()
        with subtests.test(operation.label):
            fuzz(operation, caller.call)()
            assert caller.went_well(operation.label) or operation.path == BY_COOKIE


def fuzz(operation: schemathesis.APIOperation, call: Callable[[schemathesis.Case], None]):
    """A test of one operation: its examples, edge cases of its schemas, and random calls."""
    return build_operation_test(
        config=operation.schema.config,
        operation=operation,
        test_func=lambda case: call(case),
        given_kwargs={},
        feedback=FeedbackSources(),
        explicit_settings=SETTINGS,
    )
