"""What processes count for `/metrics`: in their memory, and every few seconds for the fleet."""
