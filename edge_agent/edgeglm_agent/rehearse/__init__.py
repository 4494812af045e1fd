"""Rehearsal: record what a broker says, and see what a graph would have made of it, on the path of production.

| module | its one idea |
|---|---|
| `graph_file` | a SensorGraph from a file, as a bundle of one site that does not exist |
| `unknown` | fields that the models do not have: a typing error must not pass for a default |
| `recorder` | from a broker into a raw log, as the agent does it |
| `recording` | a raw log as it lies, read without changing it, second by second |
| `replay` | the fold, the docket and the asker under a virtual clock |
| `told` | the figures of a replay, and of two beside each other |
| `cli` | `edgeglm-agent record` and `edgeglm-agent replay` |
"""
