"""How well a model answers: cases whose truth is known, asked as the agent asks, and scored.

| module | its one idea |
|---|---|
| `scenes` | the four scenes of examples/ with other seeds: who fails and when, and what only looks like it |
| `knowledge` | made-up knowledge graphs of sites, each with one relation held out |
| `cases` | from both to requests, by the path of production, each with its truth |
| `claims` | all that could be claimed of a request, what of it stands, and what of it is true |
| `players` | who always knows, who guesses, who lies, and who has only the detectors |
| `asking` | asks all cases of an engine or a player |
| `score` | from answers to figures; pure |
"""
