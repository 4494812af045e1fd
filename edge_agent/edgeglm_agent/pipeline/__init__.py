"""The fold: from the raw log to windows, and from windows to requests, with checkpoints that make it repeatable.

The state after N entries is a function of those entries and of nothing else. So a crash costs the work since the last
checkpoint, never a message, and the work is done again to the same ids.
"""
