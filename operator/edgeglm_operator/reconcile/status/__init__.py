"""The status of each kind: pure functions from what was observed to what is said, one file each.

| module | what it says |
|---|---|
| `last_words` | why a container ended, from what it said last |
| `download` | how far a download is, and why one failed |
| `trouble` | why one pod does not serve |
| `verdict` | how a Deployment and its pods are doing |
| `inference_service`, `sensor_graph`, `edge_site` | the status of a kind |

`Unknown` is said while something may still come about, `False` once somebody must look.
"""
