"""The embedded default: real PostgreSQL, Redis and a model from wheels, and what supervises them.

It knows nothing of the application; the command line and the tests are its only callers.
"""
