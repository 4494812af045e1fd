"""`edgeglm explain NAME`: why an object on a cluster is not ready, from what the cluster shows now.

| module | what it does |
|---|---|
| `look` | asks the API server, with the user's own rights |
| `seen` | what was found there |
| `chain` | pure: from what was found to a chain of causes |
| `cause` | a chain of causes, and its lines |
"""
