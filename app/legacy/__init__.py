"""The calls of the replaced system. This folder can be removed as a whole."""
