"""Every method of both clients, with the real server and a worker."""

import pytest

from trimind import ApiError, TimedOut

from ...chaos.proxy import Proxy
from ...chaos.stack import Stack
from ...clients import Ask

QUESTION = "Please consider the river and answer."


def test_a_message_is_answered(ask: Ask) -> None:
    job = ask("submit", QUESTION, mind="two", metadata={"ticket": "7"}, deadline_s=60)
    done = ask("wait", job["id"])
    assert (done["id"], done["status"], done["mind"]) == (job["id"], "completed", "two")
    assert done["metadata"] == {"ticket": "7"}
    assert done["output"].startswith("This answers")
    assert ask("job", job["id"]) == done
    asked, answered = ask("messages", job["conversation_id"])
    assert (asked["content"], answered["content"]) == (QUESTION, done["output"])
    newest, _ = ask("messages", job["conversation_id"], order="desc")
    assert newest == answered


def test_a_wait_that_is_too_short_says_that_the_job_goes_on(ask: Ask, stack: Stack) -> None:
    stack.set_faults(latency_s=[8.0, 8.0])
    job = ask("submit", QUESTION)
    with pytest.raises(TimedOut, match=job["id"]):
        ask("wait", job["id"], timeout_s=1.2)
    assert ask("cancel", job["id"])["status"] == "cancelled"
    assert ask("wait", job["id"])["status"] == "cancelled"
    stack.set_faults()
    again = ask("retry", job["id"])
    assert again["id"] != job["id"]
    assert ask("wait", again["id"])["status"] == "completed"


def test_several_minds_answer_and_their_answers_are_merged_and_chosen(ask: Ask) -> None:
    sent = ask("broadcast", QUESTION, minds=["one", "two"])
    done = ask("wait_for_broadcast", sent["id"])
    assert (done["status"], [job["mind"] for job in done["jobs"]]) == ("completed", ["one", "two"])
    merged = ask("wait", ask("merge", sent["id"])["id"])
    assert (merged["mind"], merged["status"]) == ("manager", "completed")
    assert ask("read_broadcast", sent["id"])["kept_job_id"] == merged["id"]
    chosen = ask("choose", sent["id"], done["jobs"][1]["id"])
    assert chosen["kept_job_id"] == done["jobs"][1]["id"]
    found = ask("broadcasts", conversation_id=sent["conversation_id"])
    assert [each["id"] for each in found] == [sent["id"]]


def test_the_events_of_a_broadcast_are_those_of_its_minds(ask: Ask, stack: Stack) -> None:
    stack.set_faults(latency_s=[0.3, 0.3], words=10)
    sent = ask("broadcast", QUESTION)
    events = ask("follow_broadcast", sent["id"])
    assert events[-1]["broadcast"] == ask("read_broadcast", sent["id"])
    for job in events[-1]["broadcast"]["jobs"]:
        mine = [event for event in events if event.get("job_id") == job["id"]]
        assert "".join(event.get("text", "") for event in mine) == job["output"]


def test_a_broadcast_is_cancelled(ask: Ask, stack: Stack) -> None:
    stack.set_faults(latency_s=[8.0, 8.0])
    sent = ask("broadcast", QUESTION)
    assert ask("cancel_broadcast", sent["id"])["status"] == "cancelled"


def test_a_conversation_is_created_changed_found_and_deleted(ask: Ask) -> None:
    conversation = ask("create_conversation", title="Rivers of Abyssinia", on_busy="reject")
    same = conversation["id"]
    assert ask("conversation", same) == conversation
    changed = ask("change_conversation", same, title=None, on_busy="enqueue")
    assert (changed["title"], changed["on_busy"]) == (None, "enqueue")
    renamed = ask("change_conversation", same, title="Lakes")
    assert ask("conversations", q="Lakes", limit=1) == [renamed]
    job = ask("submit", QUESTION, conversation_id=same)
    kinds = [event["type"] for event in ask("follow_conversation", same)]
    assert kinds[-1:] in (["conversation.idle"], [])  # nothing comes if it has ended before
    assert ask("wait", job["id"])["conversation_id"] == same
    assert [each["id"] for each in ask("jobs", conversation_id=same)] == [job["id"]]
    ask("delete_conversation", same)
    with pytest.raises(ApiError) as refusal:
        ask("conversation", same)
    assert refusal.value.code == "not_found"


def test_pages_follow_each_other(ask: Ask) -> None:
    made = [ask("submit", QUESTION)["id"] for _ in range(3)]
    first = ask("jobs", limit=2)
    second = ask("jobs", limit=1, after=first.last_id)
    assert [job["id"] for job in [*first, *second]] == made[::-1]
    assert first.has_more


def test_the_minds_are_listed(ask: Ask) -> None:
    assert [mind["id"] for mind in ask("minds")] == ["one", "two", "three"]


def test_an_error_has_its_code_field_and_request_id(ask: Ask) -> None:
    with pytest.raises(ApiError) as refusal:
        ask("submit", QUESTION, mind="nobody")
    error = refusal.value
    assert (error.status, error.field) == (422, "mind")
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    with pytest.raises(ApiError, match="401 unauthorized"):
        ask("jobs", key="tm_wrong")


def test_a_response_that_is_lost_leads_to_the_same_job(ask: Ask, proxy: Proxy) -> None:
    before = ask("jobs", limit=1)
    proxy.lose_responses(2)
    job = ask("submit", QUESTION, at=f"http://127.0.0.1:{proxy.port}")
    assert proxy.lost == 2
    made = [each["id"] for each in ask("jobs", limit=100)]
    until = [each["id"] for each in before]
    assert made[: made.index(until[0]) if until else None] == [job["id"]]


def test_a_merge_whose_response_is_lost_is_made_once_too(ask: Ask, proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{proxy.port}"
    done = ask("wait_for_broadcast", ask("broadcast", QUESTION)["id"])
    proxy.lose_responses(1)
    merge = ask("merge", done["id"], at=url)
    assert proxy.lost == 1
    assert ask("read_broadcast", done["id"])["merge"]["id"] == merge["id"]
    ask("wait", merge["id"])
    found = [each for each in ask("jobs", limit=20) if each["broadcast_id"] == done["id"]]
    assert [each["id"] for each in found if each["mind"] == "manager"] == [merge["id"]]


def test_many_jobs_are_cancelled_at_once(ask: Ask, stack: Stack) -> None:
    stack.set_faults(latency_s=[8.0, 8.0])
    jobs = [ask("submit", QUESTION, priority="bulk") for _ in range(3)]
    assert {job["priority"] for job in jobs} == {"bulk"}
    ids = [job["id"] for job in jobs]
    assert ask("cancel_jobs", ids=ids) == {
        "object": "cancellation",
        "cancelled": 3,
        "has_more": False,
    }
    assert {ask("job", job_id)["status"] for job_id in ids} == {"cancelled"}


def test_a_webhook_of_a_private_address_is_refused_by_its_field(ask: Ask) -> None:
    for method in ("submit", "broadcast"):
        with pytest.raises(ApiError) as refusal:
            ask(method, QUESTION, webhook_url="https://127.0.0.1/hook")
        assert (refusal.value.status, refusal.value.field) == (422, "webhook_url")
