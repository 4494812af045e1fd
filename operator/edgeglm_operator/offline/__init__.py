"""What works without a cluster: reading files, checking them as the API server would, and rendering the children."""
