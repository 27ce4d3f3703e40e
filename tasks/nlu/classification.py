"""What a classifier hands back."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

# Raised whenever either classifier's behaviour changes: earlier results are not used then.
CLASSIFIER_VERSION: Final = "1"


class Classification(BaseModel):
    """An intent, and how sure the classifier is of it (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    intent: str
    confidence: float = Field(ge=0, le=1)
