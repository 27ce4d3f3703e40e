"""The calls of Trimind's own API, a file a resource."""
