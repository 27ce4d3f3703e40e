"""How a job moves, is owned, ends, and is found again."""
