"""Operations on jobs: accept, dispatch, cancel, retry, broadcast."""
