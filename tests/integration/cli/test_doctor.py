"""`trimind doctor` without the servers that it checks."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
AWAY = {
    "DATABASE_URL": "postgresql://trimind@127.0.0.1:9/trimind",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SHARED_SECRET": "s" * 32,
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
    "PATH": "/usr/bin:/bin",
}


def test_its_json_is_json_whatever_is_logged_beside_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", "--json"],
        cwd=ROOT,
        env=AWAY,
        capture_output=True,
        text=True,
    )

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report
