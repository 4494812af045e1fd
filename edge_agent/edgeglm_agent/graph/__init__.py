"""Pure: from observations to panes, windows and the entity graph. No clock, no input or output; time is in the data."""
