"""Jobs are kept up to a number of bytes; those read longest ago go first."""

from app.api.kept_jobs import OVERHEAD_BYTES, KeptJob, KeptJobs

SIZE = 1000 + OVERHEAD_BYTES


def job(version: str = "1", size: int = SIZE) -> KeptJob:
    return KeptJob(version, b"x" * (size - OVERHEAD_BYTES), '"etag"', None)


def test_the_last_version_is_kept() -> None:
    kept = KeptJobs(8 * SIZE)
    for version in ("1", "2"):
        kept.keep("job_1", job(version))

    assert kept.get("job_1") == job("2")
    assert kept.get("job_2") is None


def test_what_was_read_longest_ago_makes_room() -> None:
    kept = KeptJobs(8 * SIZE)
    for number in range(8):
        kept.keep(f"job_{number}", job())
    kept.get("job_0")
    kept.keep("job_8", job())

    assert [number for number in range(9) if kept.get(f"job_{number}") is None] == [1]


def test_versions_of_one_job_take_its_room_only() -> None:
    kept = KeptJobs(8 * SIZE)
    kept.keep("job_0", job())
    for version in range(100):
        kept.keep("job_1", job(str(version)))

    assert kept.get("job_0") == job()


def test_a_huge_job_is_not_kept_nor_is_its_last_version() -> None:
    kept = KeptJobs(8 * SIZE)
    kept.keep("job_0", job())
    kept.keep("job_1", job())
    kept.keep("job_1", job("2", SIZE + 1))

    assert [kept.get("job_0"), kept.get("job_1")] == [job(), None]
