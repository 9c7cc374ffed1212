"""Exposures of one view to one picture: alignment and fusion."""
