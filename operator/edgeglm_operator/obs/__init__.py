"""What the operator tells about itself: metrics, logs, probes, and events for users.

Logs are for whoever runs the operator; users read conditions and events.
"""
