"""Classification of a message's intent."""
