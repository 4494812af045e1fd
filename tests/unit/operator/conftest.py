"""No deadline for one example: on a busy machine a slow one says nothing about the code."""

from hypothesis import settings

settings.register_profile("edgeglm", deadline=None)
settings.load_profile("edgeglm")
