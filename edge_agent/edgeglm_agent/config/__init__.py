"""The bundle: read from a directory and verified, the last good one kept. A broken one changes nothing."""
