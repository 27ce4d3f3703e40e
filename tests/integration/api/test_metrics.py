"""/metrics against real PostgreSQL."""

import secrets

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.counters import count
from models.session import unit_of_work

BEARER = "Authorization"


@pytest.fixture
def scrape(app, backends):
    """`scrape()`: every sample, by its name and label values."""

    def read() -> dict[tuple[str, ...], float]:
        response = app.test_client().get(
            "/metrics", headers={BEARER: f"Bearer {backends['SHARED_SECRET']}"}
        )
        assert response.status_code == 200, response.text
        assert response.mimetype == "text/plain"
        return {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    return read


def test_a_job_that_waits_is_counted_where_it_is(client, scrape):
    place = ("trimind_jobs", "queued", "intent")
    before = scrape()

    client.post("/v1/jobs", json={"message": "hello"})

    after = scrape()
    assert after[place] == before[place] + 1
    assert after["trimind_oldest_queued_age_seconds",] > 0


def test_what_any_process_counts_is_shown_by_every_web_process(scrape):
    label = f"test-{secrets.token_hex(4)}"
    for by in (1, 2):
        with unit_of_work() as session:
            count(session, "reconciled", by, label)

    assert scrape()["trimind_reconciled_total", label] == 3


def test_prometheus_may_ask_for_the_newer_format(app, backends):
    response = app.test_client().get(
        "/metrics",
        headers={
            BEARER: f"Bearer {backends['SHARED_SECRET']}",
            "Accept": "application/openmetrics-text; version=1.0.0",
        },
    )

    assert response.mimetype == "application/openmetrics-text"
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize("token", ["", "Bearer wrong", "Bearer tm_" + "x" * 43])
def test_metrics_are_for_those_who_have_the_shared_secret(app, backends, token):
    response = app.test_client().get("/metrics", headers={BEARER: token})

    assert response.status_code == 401
    assert "trimind_" not in response.text


def test_without_redis_the_rest_is_shown(serve, dead_address):
    response = serve(REDIS_URL=f"redis://{dead_address}/0").get("/metrics")

    assert response.status_code == 200
    assert "trimind_jobs{" in response.text
    assert "trimind_breaker" not in response.text


def test_without_the_database_a_scrape_fails(serve, dead_address):
    response = serve(DATABASE_URL=f"postgresql://trimind:hunter22@{dead_address}/trimind").get(
        "/metrics"
    )

    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"
