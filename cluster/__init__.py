"""Cluster settings."""
