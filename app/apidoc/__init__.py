"""The page of the API's document."""
