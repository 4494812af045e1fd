"""Whether engines answer when many ask at once: `ask` sends the requests, `judge` says what their answers mean.

Some stacks answer the first of several parallel requests and hand back nothing for the others, with status 200 and
without a word in the log. No probe sees that: each of them asks alone.
"""
