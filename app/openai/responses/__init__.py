"""The OpenAI Responses API over jobs, so that the stock `openai` package is a client of Trimind.

A response is a job under another name: `resp_01J…` is `job_01J…`. What the API has and we have not
is refused by the parameter's name; nothing that is sent is ignored.
"""
