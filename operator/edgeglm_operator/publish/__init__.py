"""Bundles for sites that no operator reaches: compiled from files, signed, and packed, all without a cluster."""
