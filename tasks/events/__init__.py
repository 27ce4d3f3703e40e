"""Events of a job, published while it runs."""
