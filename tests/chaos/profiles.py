"""How much of everything: the short profile for every test run, the long one for figures."""

import os
from dataclasses import dataclass, replace
from typing import Any

SHORT_SEED = 20_260_401


@dataclass(frozen=True)
class Profile:
    """The sizes of a run. Times are in seconds; `leases` are settings of every process."""

    name: str
    seed: int
    workers: int
    threads: int
    jobs: int  # that meet one fault
    in_flight: int
    kills: int
    flushes: int
    quiet_jobs: int  # without any fault
    rolls: int
    windows: int  # of an open breaker
    leases: dict[str, str]
    patience_s: float  # for everything to end after the last fault
    hops: str = "local"  # the workers' STAGE_HOPS

    @property
    def lease_s(self) -> float:
        """The length of a run's lease in seconds."""
        return float(self.leases.get("LEASE_S", 30))


SHORT = Profile(
    name="short",
    seed=SHORT_SEED,
    workers=3,
    threads=6,
    jobs=60,
    in_flight=40,
    kills=5,
    flushes=2,
    quiet_jobs=1000,
    rolls=3,
    windows=1,
    leases={
        "LEASE_S": "4",
        "BEAT_S": "1",
        "QUEUE_LEASE_S": "4",
        "RECONCILE_EVERY_S": "0.5",
        "DRAIN_S": "3",
    },
    patience_s=90,
)
LONG = replace(
    SHORT,
    name="long",
    seed=int.from_bytes(os.urandom(4), "big"),
    jobs=3000,
    in_flight=60,
    kills=200,
    flushes=20,
    rolls=12,
    windows=5,
    leases={"FIRST_BYTE_LIMIT_S": "60"},  # or a call that hangs would be given ten minutes
    patience_s=600,
)


def chosen() -> Profile:
    """The profile that CHAOS_PROFILE names; CHAOS_SEED, _JOBS, _KILLS, _FLUSHES and _HOPS override
    it."""
    profile = LONG if os.environ.get("CHAOS_PROFILE") == "long" else SHORT
    given: dict[str, Any] = {
        name: int(os.environ[f"CHAOS_{name.upper()}"])
        for name in ("seed", "jobs", "kills", "flushes")
        if os.environ.get(f"CHAOS_{name.upper()}")
    }
    return replace(profile, hops=os.environ.get("CHAOS_HOPS", profile.hops), **given)
