"""OpenAI's API over jobs."""
