"""`trimind doctor`, mostly without the servers that it checks."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.cli.doctor.case import Case
from app.cli.doctor.issuer import ANY_PARTY
from app.cli.doctor.queues import check_queues
from config.settings import get_settings
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tests.integration.commits import unfollowed
from tests.issuer import serving_issuer

from ...forks import ForkServer

DOCTOR = ["python", "-m", "app.cli", "doctor", "--json"]
AWAY = {
    "DATABASE_URL": "postgresql://trimind@127.0.0.1:9/trimind",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SHARED_SECRET": "s" * 32,
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
    "PATH": "/usr/bin:/bin",
}


def test_its_json_is_json_whatever_is_logged_beside_it(
    web_forks: ForkServer, tmp_path: Path
) -> None:
    done = web_forks.run(DOCTOR, AWAY, tmp_path)

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report


def test_it_says_whether_the_issuers_keys_can_be_fetched(
    web_forks: ForkServer, tmp_path: Path
) -> None:
    def checked(**variables: str) -> dict[str, str]:
        checks = json.loads(web_forks.run(DOCTOR, AWAY | variables, tmp_path).stdout)["checks"]
        return next(check for check in checks if check["name"] == "issuer")

    with serving_issuer() as issuer:
        good = checked(JWT_ISSUER=issuer.url)
        issuer.body = b"<html>"
        bad = checked(JWT_ISSUER=issuer.url, JWT_AUDIENCE="trimind")
    wrong = checked(JWT_ISSUER="http://issuer.example")

    assert (good["state"], good["to_do"]) == ("ok", ANY_PARTY)
    assert good["found"].endswith(": 2 keys")
    assert bad["state"] == "missing"
    assert "not JSON" in bad["found"]
    assert wrong["state"] == "missing"
    assert "JWT_ISSUER: does not begin with https://" in wrong["found"]


def test_it_counts_what_is_queued_and_held(backends: Mapping[str, str], external_id: str) -> None:
    before = check_queues(Case.here()).found
    with pytest.MonkeyPatch.context() as patch, unfollowed():
        patch.setenv("USER_SHARE", "1")
        get_settings.cache_clear()
        with unit_of_work() as session:
            user_id = get_or_create_user(session, external_id)
            for _ in range(3):
                accept(session, Submission(user_id, "Hello"))
        after = check_queues(Case.here())
    get_settings.cache_clear()

    assert after.state == "ok"
    assert number("llm first", after.found) == number("llm first", before) + 1
    assert number("held", after.found) == number("held", before) + 2


def number(of: str, found: str) -> int:
    counted = re.search(rf"{of} ([\d,]+) \(oldest [\d,]+ s\)", found)
    return int(counted[1].replace(",", "")) if counted else 0
