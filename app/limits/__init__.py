"""What one user may use: requests, jobs, streams."""
