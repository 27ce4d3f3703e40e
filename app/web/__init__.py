"""The page: one message, three minds side by side; and the operators' board."""
