"""From a key to the state that it should have.

| module | what it holds |
|---|---|
| `controller` | the worker loop: a key, its reconciler, what its end means |
| `inference_service`, `sensor_graph`, `edge_site`, `fleet` | one reconciler each |
| `children`, `drift` | making, keeping and removing what a parent owns |
| `status_writer` | writing a status that differs, and telling of transitions |
| `triggers` | whom a change concerns |
| `outcome`, `world` | how a reconcile ends, and what it can reach |
| `placement`, `compile`, `status*` | pure decisions |
"""
