"""Encoding, metadata, sizes, provenance, report."""
