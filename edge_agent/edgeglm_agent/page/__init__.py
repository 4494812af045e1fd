"""A page for people at the site: what was seen last, drawn; served beside the probes."""
