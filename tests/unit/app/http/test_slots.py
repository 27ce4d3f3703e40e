"""No user has more than half."""

from app.http.shares import Shares


def test_one_user_has_half_and_all_users_have_all() -> None:
    shares = Shares(4)

    assert [shares.take("one") for _ in range(3)] == [None, None, "yours"]
    assert [shares.take("two") for _ in range(2)] == [None, None]
    assert [shares.take(user) for user in ("two", "three")] == ["all", "all"]

    shares.release("one")
    assert shares.take("three") is None


def test_a_single_slot_is_anybodys() -> None:
    shares = Shares(1)

    assert shares.take("one") is None
    shares.release("one")
    assert shares.take("two") is None
