"""What stands in a path."""

from pydantic import BaseModel, Field


class JobPath(BaseModel):
    """Which job."""

    job_id: str = Field(json_schema_extra={"example": "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"})


class BroadcastPath(BaseModel):
    """Which broadcast."""

    broadcast_id: str = Field(json_schema_extra={"example": "bcast_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"})


class ConversationPath(BaseModel):
    """Which conversation."""

    conversation_id: str = Field(json_schema_extra={"example": "conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"})


class ResponsePath(BaseModel):
    """Which response."""

    response_id: str = Field(json_schema_extra={"example": "resp_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"})
