"""Payloads into observations. Nothing here raises into the loop: what does not fit is a `Refused` with a reason."""
