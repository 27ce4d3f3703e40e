"""`python -m app.http`: the Procfile's `web`."""

from app.http.server import serve

if __name__ == "__main__":
    serve()
