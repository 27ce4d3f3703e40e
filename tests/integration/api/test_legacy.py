"""The calls of the replaced system."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def session_id() -> str:
    return f"session {secrets.token_hex(8)}"


@pytest.fixture
def service(app, backends):
    """Posts like a service that names its user in the body."""

    def post(key: str | None = None, **body: object):
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {backends['SHARED_SECRET']}"
        headers = {"Idempotency-Key": key} if key else {}
        return client.post("/api/v1/jobs/process-ai-job", json=body, headers=headers)

    return post


@pytest.fixture
def order(external_id, session_id) -> dict[str, str]:
    return {
        "messageId": "m-1",
        "sessionId": session_id,
        "userId": external_id,
        "message": "hello",
    }


def test_a_chat_without_a_session_begins_one_that_later_chats_may_name(client):
    first = client.post("/api/chat", json={"message": "hello"})
    session_id = first.json["sessionId"]

    second = client.post("/api/chat", json={"message": "more", "sessionId": session_id})

    assert first.status_code == second.status_code == 202
    assert list(first.json) == ["jobId", "messageId", "sessionId"]
    assert second.json["sessionId"] == session_id
    messages = client.get(f"/api/messages?sessionId={session_id}").json
    assert [message["content"] for message in messages] == ["hello", "more"]
    assert messages[0]["id"] == first.json["messageId"]


def test_a_session_of_the_clients_own_is_begun_on_first_sight(client, external_id, session_id):
    for message in ("hello", "more"):
        chat = client.post("/api/chat", json={"message": message, "sessionId": session_id})
        assert chat.json["sessionId"] == session_id

    messages = client.get("/api/messages", query_string={"sessionId": session_id}).json
    assert [list(message) for message in messages] == [
        ["id", "sessionId", "userId", "role", "content", "createdAt"]
    ] * 2
    assert {message["sessionId"] for message in messages} == {session_id}
    assert {message["userId"] for message in messages} == {external_id}
    assert client.get(f"/v1/jobs/{chat.json['jobId']}").status_code == 200


def test_two_users_may_use_the_same_session_id_and_share_nothing(client, stranger, session_id):
    client.post("/api/chat", json={"message": "mine", "sessionId": session_id})
    before = stranger.get("/api/messages", query_string={"sessionId": session_id}).json
    stranger.post("/api/chat", json={"message": "theirs", "sessionId": session_id})
    after = stranger.get("/api/messages", query_string={"sessionId": session_id}).json

    assert before == []
    assert [message["content"] for message in after] == ["theirs"]


def test_first_chats_of_a_session_that_come_at_once_share_one_conversation(
    client_of, external_id, session_id
):
    body = {"message": "hello", "sessionId": session_id}

    with ThreadPoolExecutor(8) as threads:
        chats = [
            threads.submit(client_of(external_id).post, "/api/chat", json=body) for _ in range(8)
        ]

    assert {chat.result().status_code for chat in chats} == {202}
    assert len(client_of(external_id).get("/v1/conversations").json["data"]) == 1


@pytest.mark.parametrize("session", ["a\x00b", "x" * 256, 7])
def test_a_session_id_that_can_not_be_stored_is_refused_by_name(client, session):
    response = client.post("/api/chat", json={"message": "hello", "sessionId": session})

    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == "sessionId"


def test_fields_that_the_old_clients_send_besides_are_ignored(client):
    response = client.post("/api/chat", json={"message": "hello", "model": "x", "sessionId": None})

    assert response.status_code == 202


def test_messages_are_asked_for_by_a_session(client):
    assert client.get("/api/messages").json["errors"][0]["field"] == "sessionId"
    assert client.get("/api/messages?sessionId=%00").status_code == 422
    assert client.get("/api/messages?sessionId=unknown").json == []


def test_a_service_submits_for_the_user_that_its_body_names(service, client, order):
    response = service(**order)

    assert response.status_code == 202
    assert response.json["messageId"] == "m-1"
    assert client.get(f"/v1/jobs/{response.json['jobId']}").json["status"] == "queued"


def test_a_message_that_a_service_sends_twice_makes_one_job(service, client, order):
    first, second = service(**order), service(**order)

    assert first.status_code == second.status_code == 202
    assert first.json == second.json
    assert len(client.get("/v1/jobs").json["data"]) == 1


def test_a_message_that_a_service_sends_many_times_at_once_makes_one_job(service, client, order):
    with ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(service, **order) for _ in range(8)]

    assert {response.result().status_code for response in sent} == {202}
    assert len({response.result().json["jobId"] for response in sent}) == 1
    assert len(client.get("/v1/jobs").json["data"]) == 1
    assert len(client.get("/v1/conversations").json["data"]) == 1


@pytest.mark.parametrize("on_busy", ["reject", "interrupt"])
def test_a_message_that_is_sent_twice_is_no_second_one_for_a_busy_conversation(
    service, client, order, on_busy
):
    begun = client.post("/v1/conversations", json={"on_busy": on_busy}).json["id"]
    order["sessionId"] = begun
    with ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(service, **order) for _ in range(8)]

    assert {response.result().status_code for response in sent} == {202}
    assert len({response.result().json["jobId"] for response in sent}) == 1
    [job] = client.get("/v1/jobs").json["data"]
    assert job["status"] == "queued"


def test_a_service_may_name_its_call_by_a_key_as_well(service, client, order):
    first, second = service("k", **order), service("k", **order)
    other = service("k", **{**order, "messageId": "m-2"})

    assert first.status_code == second.status_code == 202
    assert first.data == second.data
    assert second.headers["Idempotent-Replayed"] == "true"
    assert other.json["code"] == "idempotency_key_reused"
    assert len(client.get("/v1/jobs").json["data"]) == 1


def test_the_same_message_id_of_another_user_is_another_message(service, order):
    first, second = service(**order), service(**{**order, "userId": order["userId"] + "-2"})

    assert first.json["jobId"] != second.json["jobId"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("messageId", "a\x00"),
        ("messageId", ""),
        ("sessionId", "\ud800"),
        ("userId", "a b"),
        ("userId", "a\n"),
        ("userId", ""),
        ("message", "  "),
    ],
)
def test_an_order_that_can_not_be_stored_is_refused_by_name(service, order, field, value):
    response = service(**{**order, field: value})

    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == field


def test_a_users_own_key_does_not_open_the_services_call(app, client, order):
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer tm_" + "x" * 43

    assert client.post("/api/v1/jobs/process-ai-job", json=order).status_code == 401


def test_every_refusal_has_the_same_shape(client, app, external_id, serve):
    """Of these calls too: their clients have always read problems."""
    nobody = app.test_client()
    limited = serve(REQUESTS_PER_MINUTE="1")
    many = [limited.post("/api/chat", json={"message": "hello"}) for _ in range(4)]
    refused = [
        nobody.post("/api/chat", json={"message": "hello"}),
        client.post("/api/chat", json={}),
        client.post("/api/chat", data="{", content_type="application/json"),
        client.post("/api/chat", data="x", content_type="text/plain"),
        client.get("/api/messages"),
        client.put("/api/chat", json={}),
    ]

    found = [(each.status_code, each.mimetype, frozenset(each.json)) for each in refused]
    last = many[-1]
    found.append((last.status_code, last.headers["Content-Type"], frozenset(last.json())))

    assert [status for status, *_ in found] == [401, 422, 400, 415, 422, 405, 429]
    assert {shape[1:] for shape in found} == {("application/problem+json", found[0][2])}
    assert "Retry-After" in last.headers
