"""`trimind doctor` without the servers that it checks."""

import json
from pathlib import Path

from app.cli.doctor.issuer import ANY_PARTY
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
