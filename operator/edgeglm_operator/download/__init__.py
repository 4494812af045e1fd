"""The downloader: a model from a hub, a store or a registry into a directory, whole or not at all.

It runs in init containers, from the operator's image. It knows nothing of Kubernetes, and is told all by arguments.

| module | its one idea |
|---|---|
| `listing` | which files make up a model at one commit |
| `digest` | how each of them is checked |
| `web` | HTTP, with a token or signed |
| `refusal` | what is worth another try, and what is not |
| `source` | what is asked of any place that models come from |
| `sources` | which of them a URI means, and what opens it |
| `hub` | the Hub's HTTP API |
| `modelscope` | ModelScope's HTTP API |
| `s3` | S3's HTTP API |
| `signature` | who asks a store |
| `registry` | the HTTP API of registries |
| `access` | who asks a registry |
| `unpack` | layers that are archives |
| `part` | one file on its way to the disk |
| `fetch` | from the web into a part, however often the line breaks |
| `cache` | the directory: snapshots that appear whole, one downloader at a time, what a branch last meant |
| `link` | the commit that a pod began with, and keeps |
| `pace`, `hours`, `patience`, `progress`, `space` | how fast, when, how often, how far, how much room |
| `download` | all of it, in order |
| `cli` | arguments in, a last message out |
"""
