"""The edge agent: sensor messages in, checked answers out, and nothing lost on the way.

Links may be cut and processes killed. Data goes one way: packet, segment, reading, pane, window, graph, request,
answer, publication.

| package | what it holds |
|---|---|
| `config` | the bundle: read, verified, the last good one kept |
| `mqtt` | the transport, and the only importer of paho |
| `decode` | payloads into observations; what does not fit is refused with a reason |
| `spool` | the raw log, and the ledger of requests, answers and books |
| `graph` | pure: statistics, panes, watermarks, the entity graph and its evidence |
| `pipeline` | the fold of the raw log into windows and requests |
| `reason` | the question, the engine that is asked, and the check of what it says |
| `publish` | answers to the broker, as often as need be and always the same bytes |
| `health` | probes, status and metrics |
"""
