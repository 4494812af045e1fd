"""Answers to the broker: stored first, sent as often as need be, and always the same bytes."""
