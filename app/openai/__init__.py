"""OpenAI's API on top of jobs."""
