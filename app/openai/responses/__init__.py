"""OpenAI's Responses API on top of jobs: the stock `openai` package is a client of Trimind.

A response is a job by another id: `resp_01J…` is `job_01J…`. An unsupported parameter is refused by
name; no parameter is ignored.
"""
