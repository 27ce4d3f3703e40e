"""A classifier's result."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

# Increment it whenever a classifier's behavior changes, to invalidate cached results.
CLASSIFIER_VERSION: Final = "1"


class Classification(BaseModel):
    """An intent, and the classifier's confidence in it (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    intent: str
    confidence: float = Field(ge=0, le=1)
