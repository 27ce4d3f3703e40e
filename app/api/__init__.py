"""Trimind's own API, one file per resource."""
