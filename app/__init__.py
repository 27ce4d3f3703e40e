"""The HTTP API, its web process (`factory.create_app`) and the `trimind` command (`cli`)."""
