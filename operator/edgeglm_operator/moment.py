"""Moments as the API server writes them: RFC 3339, UTC."""

from datetime import datetime


def seconds_between(then: str, now: str) -> float:
    """From one moment to another; 0 when the first is not known."""
    if not then:
        return 0
    return (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds()
