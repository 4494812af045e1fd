"""The operator: InferenceServices and SensorGraphs become pods in the cloud and at sites (ARCHITECTURE.md)."""
