"""What a worker process does besides its stages."""
