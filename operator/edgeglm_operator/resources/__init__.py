"""Pure makers: a custom resource comes in, the manifest of one child goes out. No clock, no I/O, no logging."""
