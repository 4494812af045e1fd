"""The API server, as the rest of the operator sees it. Nothing outside this package imports `kubernetes`.

| module | what it holds |
|---|---|
| `errors` | what can go wrong, as a tree |
| `kinds` | the kinds the operator touches, and their paths |
| `client` | `KubeClient`: the verbs, on plain dictionaries |
| `rest` | the client that talks to a real API server |
| `connection` | where the server is and who we are |
"""
