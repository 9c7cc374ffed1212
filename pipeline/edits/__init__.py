"""Edits: each looks at proxy and what was seen, and returns operations for the plan."""
