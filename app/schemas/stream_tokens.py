"""The shape of a stream token."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

JOB = "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
SIGNATURE = "Zm9sbG93cyBvbmUgam9iIGZvciBzb21lIG1pbnV0ZXM"
EXAMPLE = f"tmst_1795820400.user_01K8Z5M5V4Q2W9X7Y3T1N6P0RC.{SIGNATURE}"


class StreamTokenBody(BaseModel):
    """A token to follow one job."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "stream_token",
                "job_id": JOB,
                "token": EXAMPLE,
                "expires_at": "2026-11-27T20:20:00.000Z",
                "url": f"/v1/jobs/{JOB}/events?token={EXAMPLE}",
            }
        }
    )

    object: Literal["stream_token"] = "stream_token"
    job_id: str = Field(description="The job whose events it opens.")
    token: str = Field(description="For the parameter `token`. It is shown once.")
    expires_at: str = Field(description="Until then a stream can be opened, or resumed.")
    url: str = Field(description="The path for `new EventSource`, with the token.")
