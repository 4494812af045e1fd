"""The question, the engine that is asked, and the check of what it says.

`tasks` holds a file for each kind of question: its prompt, its schema, its rules. They, `check`, `prompt`, `form` and
what these use are pure; `client`, `router` and `reasoner` do the talking.
"""
