"""The cost of a run's calls, and which of them failed."""

from decimal import Decimal

from models.spent import NOTHING, Spent
from tasks.bill import Bill

ONE = Spent(10, 1, Decimal("0.000002"))


def test_answered_and_failed_calls_add_up() -> None:
    bill = Bill()
    bill.add(ONE)
    bill.failed("openai/m", "unusable_answer", ONE)
    bill.failed("openai/m", "provider_rejected", None)

    assert bill.spent == Spent(20, 2, Decimal("0.000004"))


def test_calls_that_fail_alike_are_one_row() -> None:
    bill = Bill()
    for spent in (ONE, None, ONE):
        bill.failed("openai/m", "unusable_answer", spent)

    assert bill.tried == [
        {"model": "openai/m", "code": "unusable_answer", "calls": 3,
         "input_tokens": 20, "output_tokens": 2, "cost_usd": "0.000004"}
    ]  # fmt: skip


def test_the_rows_of_earlier_runs_go_on_and_are_not_paid_for_again() -> None:
    earlier = Bill()
    earlier.failed("openai/m", "unusable_answer", ONE)
    bill = Bill(earlier.tried)
    bill.failed("openai/m", "unusable_answer", ONE)

    assert bill.spent == ONE
    assert (bill.tried[0]["calls"], bill.tried[0]["input_tokens"]) == (2, 20)
    assert earlier.tried[0]["calls"] == 1


def test_a_model_that_was_not_asked_has_a_row_without_calls() -> None:
    bill = Bill()
    bill.skipped("openai/m", "circuit_open")
    bill.failed("gemini/m", "rate_limited", None)
    bill.skipped("gemini/m", "rate_limited")

    assert [(row["code"], row["calls"]) for row in bill.tried] == [
        ("circuit_open", 0),
        ("rate_limited", 1),
    ]
    assert bill.spent == NOTHING


def test_of_the_models_that_fail_alike_the_one_that_did_most_often_counts() -> None:
    bill = Bill()
    bill.failed("openai/m", "provider_misconfigured", None)
    bill.failed("gemini/m", "provider_misconfigured", None)
    bill.failed("gemini/m", "provider_misconfigured", None)
    bill.failed("gemini/m", "rate_limited", None)

    assert bill.most_calls("provider_misconfigured") == 2
    assert bill.most_calls("unusable_answer") == 0
