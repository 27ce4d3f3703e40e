"""The owners of keys are kept for a while, and never once a key was revoked."""

from collections.abc import Callable

from app.auth.key_cache import KeyCache

LONG_S = 60.0


def counted(found: list[str | None]) -> Callable[[], str | None]:
    """A look-up that takes its next answer from a list."""
    return lambda: found.pop(0)


def test_a_key_is_looked_up_once() -> None:
    keys, answers = KeyCache(fresh_s=LONG_S), counted(["user_1"])

    assert [keys.owner_of(b"a", answers) for _ in range(3)] == ["user_1"] * 3


def test_it_is_looked_up_again_after_its_time() -> None:
    keys, answers = KeyCache(fresh_s=0), counted(["user_1", None])

    assert [keys.owner_of(b"a", answers) for _ in range(2)] == ["user_1", None]


def test_each_key_has_its_own_owner() -> None:
    keys = KeyCache(fresh_s=LONG_S)
    for digest, owner in ((b"a", "user_1"), (b"b", "user_2")):
        keys.owner_of(digest, counted([owner]))

    assert [keys.owner_of(each, counted([])) for each in (b"a", b"b")] == ["user_1", "user_2"]


def test_an_unknown_key_is_looked_up_each_time() -> None:
    keys, answers = KeyCache(fresh_s=LONG_S), counted([None, "user_1"])

    assert [keys.owner_of(b"a", answers) for _ in range(2)] == [None, "user_1"]


def test_a_revocation_makes_it_look_up_again() -> None:
    keys, answers = KeyCache(fresh_s=LONG_S), counted(["user_1", None])
    keys.owner_of(b"a", answers)
    keys.clear()

    assert keys.owner_of(b"a", answers) is None


def test_a_key_that_is_revoked_during_its_look_up_is_not_kept() -> None:
    keys = KeyCache(fresh_s=LONG_S)

    def look_up() -> str:
        keys.clear()
        return "user_1"

    keys.owner_of(b"a", look_up)

    assert keys.owner_of(b"a", counted([None])) is None


def test_the_oldest_makes_room() -> None:
    keys = KeyCache(fresh_s=LONG_S, most=2)
    for digest in (b"a", b"b", b"c"):
        keys.owner_of(digest, counted(["user_1"]))

    assert keys.owner_of(b"b", counted([])) == "user_1"
    assert keys.owner_of(b"a", counted(["user_2"])) == "user_2"
