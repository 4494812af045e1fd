"""How people at the site come in: a Unix socket in the data directory. Whoever may open it may command."""
