"""`python -m app.server`: the Procfile's `web`."""

import gc

if __name__ == "__main__":
    # Imports make thousands of classes and no garbage: to look for some took a sixth of the start.
    # What serves (`loop.py`, `supervisor.py`) turns it on again.
    gc.disable()
    from app.server.server import serve

    serve()
