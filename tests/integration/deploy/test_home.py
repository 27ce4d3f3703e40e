import os
import pwd
from pathlib import Path

import pytest

from deploy.embedded.errors import HomeInUseError, HomeUnusableError
from deploy.embedded.home import HomeLock, check_room, data_home, prepare_home, run_folder
from deploy.embedded.secrets import Secrets


def test_an_empty_home_is_what_the_system_says_of_this_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "")

    own = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    assert data_home({"TRIMIND_HOME": "~/here"}) == own / "here"


def test_the_data_folder_is_the_one_that_is_set_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert data_home({"TRIMIND_HOME": "data/../here"}) == tmp_path / "here"


def test_root_has_its_data_where_postgresql_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert data_home({"XDG_DATA_HOME": "/elsewhere"}) == Path("/var/lib/trimind")


def test_others_have_it_among_their_own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert data_home({"XDG_DATA_HOME": "/mine"}) == Path("/mine/trimind")
    for blank in ("", " ", "\n"):
        nothing = {"TRIMIND_HOME": blank, "XDG_DATA_HOME": blank}
        assert data_home(nothing) == Path.home() / ".local/share/trimind"
    assert data_home({"TRIMIND_HOME": "/mine\n"}) == Path("/mine")


def test_a_folder_of_somebody_else_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "letters").touch()

    prepare_home(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HomeUnusableError, match=f"TRIMIND_HOME={tmp_path}/file/home"):
        prepare_home(tmp_path / "file" / "home")


def test_the_lock_goes_to_one_at_a_time(home: Path) -> None:
    prepare_home(home)

    with (
        HomeLock(home),
        pytest.raises(HomeInUseError, match=rf"TRIMIND_HOME={home} \(process {os.getpid()}\)"),
        HomeLock(home),
    ):
        pass
    with HomeLock(home):
        pass


def test_a_lock_file_of_a_dead_owner_is_no_obstacle(home: Path) -> None:
    prepare_home(home)
    (run_folder(home) / "lock").write_text("[1, 1]")

    with HomeLock(home):
        pass


def test_secrets_are_made_once_and_kept_private(home: Path) -> None:
    made = Secrets.of(home)

    assert Secrets.of(home) == made
    assert len(made.shared_secret) >= 32
    assert made.flower_basic_auth.startswith("operator:")
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert made.shared_secret not in repr(made)


def test_damaged_secrets_are_not_replaced(home: Path) -> None:
    (home / "secrets.json").write_text('{"shared_secret": ')

    with pytest.raises(HomeUnusableError, match=r"secrets\.json is damaged"):
        Secrets.of(home)


def test_a_disk_without_room_is_named_with_what_to_do(tmp_path: Path) -> None:
    check_room(tmp_path, 1)

    with pytest.raises(
        HomeUnusableError, match=r"MB free, but \d+ MB are needed: free space"
    ) as no:
        check_room(tmp_path, 2**60)

    assert f"TRIMIND_HOME={tmp_path} is on a disk" in str(no.value)
