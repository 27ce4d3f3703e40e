"""How long each migration takes with 1,000,000 jobs and 2,000,000 messages in the tables, and how
long it makes the traffic wait.

The tables are filled at the schema 0010. While they are migrated, a connection inserts and updates
rows every 10 ms, as processes of that release do. Fails if one of its statements takes over 1 s.
"""

import argparse
import sys
import time
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from bench.database import servers, url
from bench.figures import figure, group
from bench.old_rows import Traffic, fill
from models.schema import MIGRATIONS

FIRST: Final = "0010"
JOBS: Final = 1_000_000
LIMIT_S: Final = 1.0
# How long the traffic is measured without a migration, for comparison.
ALONE_S: Final = 5.0


def main() -> None:
    """Fill, migrate, print, clean up."""
    parser = argparse.ArgumentParser("python -m bench.migrations", description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    jobs = parser.parse_args().jobs
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with servers():
        command.upgrade(config, FIRST)
        began = time.monotonic()
        fill(url(), jobs)
        group(f"{jobs:,} jobs, {2 * jobs:,} messages")
        figure("filled in", time.monotonic() - began, "s")
        longest = _migrate(config)
    if longest > LIMIT_S:
        sys.exit(f"the traffic waited for more than {LIMIT_S:.0f} s")


def _migrate(config: Config) -> float:
    """Apply and measure the migrations one by one.

    Returns:
        The longest wait of the traffic, in seconds.
    """
    traffic = Traffic(url())
    traffic.start()
    alone = time.monotonic()
    time.sleep(ALONE_S)
    figure("longest wait, none running", traffic.longest(alone, time.monotonic()) * 1000, "ms")
    measured = []
    for revision in _revisions(config):
        began = time.monotonic()
        command.upgrade(config, revision)
        measured.append((revision, began, time.monotonic()))
    traffic.stop()
    for revision, began, ended in measured:
        group(f"migration {revision}")
        figure("took", ended - began, "s")
        figure("longest wait", traffic.longest(began, ended) * 1000, "ms")
    return traffic.longest(measured[0][1], measured[-1][2])


def _revisions(config: Config) -> list[str]:
    """The versions after the first, in order."""
    script = ScriptDirectory.from_config(config)
    return [each.revision for each in script.walk_revisions() if each.revision > FIRST][::-1]


if __name__ == "__main__":
    main()
