"""The replaced system's calls: removable as one."""
