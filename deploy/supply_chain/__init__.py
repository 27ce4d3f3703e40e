"""What Trimind is made of: the distributions that are installed beside it."""
