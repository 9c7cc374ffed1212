"""Sunroom's pipeline: from the files of a listing to delivered pictures."""
