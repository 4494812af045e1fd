"""The parts of `make bench-agent`: a load with an oracle, a fast publisher, and the peers of the agent."""
