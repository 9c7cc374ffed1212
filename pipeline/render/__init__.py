"""Plan and full-resolution exposures to pixels."""
