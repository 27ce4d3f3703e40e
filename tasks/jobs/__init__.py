"""What is done with jobs: accept, dispatch, cancel, retry, broadcast."""
