"""What must outlive a crash: the raw log of packets, and the ledger of requests, answers, checkpoints and books.

| module | what it holds |
|---|---|
| `entry` | what stands in the raw log |
| `frame` | how a group of entries lies on the disk: checksummed, found again after damage |
| `raw_log`, `raw_reader` | segments: append and sync; read from a position on |
| `handoff`, `writer` | from the network thread to the log, in groups; acknowledge after the commit |
| `ledger` | the SQLite file: one connection, one thread |
| `requests`, `answers`, `checkpoints` | the tables of the ledger |
"""
