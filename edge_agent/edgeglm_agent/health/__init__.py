"""What can be asked of a running agent: probes, its status as JSON, and metrics."""
