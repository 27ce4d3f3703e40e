"""What keys allow is kept for a while, and never once a key was revoked."""

from collections.abc import Callable

from app.auth.key_cache import KeyCache
from models.grants import Grant
from models.scopes import EVERY

LONG_S = 60.0


def grant(user_id: str, lasts_s: float | None = None) -> Grant:
    return Grant(user_id, f"key_of_{user_id}", EVERY, lasts_s)


ONE, TWO = grant("user_1"), grant("user_2")


def counted(found: list[Grant | None]) -> Callable[[], Grant | None]:
    """A look-up that takes its next answer from a list."""
    return lambda: found.pop(0)


def test_a_key_is_looked_up_once() -> None:
    keys, answers = KeyCache(fresh_s=LONG_S), counted([ONE])

    assert [keys.find(b"a", answers) for _ in range(3)] == [ONE] * 3


def test_it_is_looked_up_again_after_its_time() -> None:
    keys, answers = KeyCache(fresh_s=0), counted([ONE, None])

    assert [keys.find(b"a", answers) for _ in range(2)] == [ONE, None]


def test_each_key_has_its_own_owner() -> None:
    keys = KeyCache(fresh_s=LONG_S)
    for digest, owner in ((b"a", ONE), (b"b", TWO)):
        keys.find(digest, counted([owner]))

    assert [keys.find(each, counted([])) for each in (b"a", b"b")] == [ONE, TWO]


def test_an_unknown_key_is_looked_up_each_time() -> None:
    keys, answers = KeyCache(fresh_s=LONG_S), counted([None, ONE])

    assert [keys.find(b"a", answers) for _ in range(2)] == [None, ONE]


def test_a_revocation_makes_it_look_up_again() -> None:
    keys, answers = KeyCache(fresh_s=LONG_S), counted([ONE, None])
    keys.find(b"a", answers)
    keys.clear()

    assert keys.find(b"a", answers) is None


def test_a_revocation_of_one_user_makes_nobody_else_look_up_again() -> None:
    keys = KeyCache(fresh_s=LONG_S)
    for digest, owner in ((b"a", ONE), (b"b", TWO)):
        keys.find(digest, counted([owner]))

    keys.clear(ONE.user_id)

    assert keys.find(b"a", counted([None])) is None
    assert keys.find(b"b", counted([])) == TWO
    assert len(keys) == 1


def test_a_key_that_is_revoked_during_its_look_up_is_not_kept() -> None:
    keys = KeyCache(fresh_s=LONG_S)

    def look_up() -> Grant:
        keys.clear()
        return ONE

    keys.find(b"a", look_up)

    assert keys.find(b"a", counted([None])) is None


def test_the_oldest_makes_room() -> None:
    keys = KeyCache(fresh_s=LONG_S, most=2)
    for digest in (b"a", b"b", b"c"):
        keys.find(digest, counted([ONE]))

    assert keys.find(b"b", counted([])) == ONE
    assert keys.find(b"a", counted([TWO])) == TWO


def test_a_key_that_has_expired_is_looked_up_again() -> None:
    keys = KeyCache(fresh_s=LONG_S)
    keys.find(b"a", counted([grant("user_1", lasts_s=0)]))

    assert keys.find(b"a", counted([None])) is None


def test_a_key_is_kept_no_longer_for_a_late_expiry() -> None:
    keys = KeyCache(fresh_s=0)
    keys.find(b"a", counted([grant("user_1", lasts_s=LONG_S)]))

    assert keys.find(b"a", counted([None])) is None
