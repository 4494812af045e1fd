"""Findings have a life: they open, go on, clear, and people have a word in it.

| module | its one idea |
|---|---|
| `life` | pure: one finding from window to window, and whether that is news |
| `word` | pure: what a person said of a finding, and how long it holds |
| `maintenance` | pure: spans of time in which findings are noted and not told |
| `say` | what people say, noted in the ledger, however it reached us |
| `command` | pure: a signed command, read and checked |
| `obey` | commands that came over MQTT, each heeded once |
| `book` | the findings of one partition in the ledger, moved on by one look |
| `turns` | windows and answers of a partition in the order of time, however late an answer comes |
"""
