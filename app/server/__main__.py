"""`python -m app.server`: the Procfile's `web`."""

from app.server.server import serve

if __name__ == "__main__":
    serve()
