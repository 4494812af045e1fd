"""Parts of the asking benchmark."""
