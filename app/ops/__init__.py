"""For operators: health, readiness, metrics."""
