"""The life cycle of a job: transitions, ownership, ends, recovery."""
