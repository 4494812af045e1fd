"""The API of edgeglm: typed models of the three kinds, and the contracts between the operator and the agent.

Pure: no input or output, no clock, no Kubernetes client. Both halves and the tests import it; it imports neither.

| module | what it holds |
|---|---|
| `group` | the API group, version and kinds |
| `labels` | label and annotation keys, and what goes under them |
| `conditions` | status conditions and how one replaces another |
| `selection` | which nodes a target or a graph selects (`sites:`) |
| `inference_service`, `sensor_graph`, `edge_site` | the three kinds as they come from the API server |
| `bundle` | cloud to site: the compiled configuration of one site |
| `answer` | agent to MQTT: the checked answer to one request |
"""
