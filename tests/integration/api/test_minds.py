"""GET /v1/minds, and the model that a caller picks."""

from models.job_options import Options

from .rows import row


def test_minds_are_listed_with_their_models(client):
    page = client.get("/v1/minds").json

    assert [mind["id"] for mind in page["data"]] == ["sage", "maker", "muse"]
    assert [mind["id"] for mind in page["data"] if mind["default"]] == ["sage"]
    assert page["data"][0]["title"] == "The Sage"
    assert set(page["data"][0]["routes"]["default"]) <= set(page["models"])


def test_a_model_replaces_the_route(client):
    model = client.get("/v1/minds").json["models"][0]

    job = client.post("/v1/jobs", json={"message": "hello", "model": model}).json
    made = client.post("/v1/broadcasts", json={"message": "hello", "model": model}).json

    for each in (job, *made["jobs"]):
        assert Options.of(row(each["id"]).options).model == model


def test_a_model_that_no_route_has_is_refused(client):
    for path in ("/v1/jobs", "/v1/broadcasts"):
        refused = client.post(path, json={"message": "hello", "model": "openai/nobody"})
        assert refused.status_code == 422
        assert refused.json["errors"][0]["field"] == "model"


def test_minds_are_for_users(app):
    assert app.test_client().get("/v1/minds").status_code == 401
