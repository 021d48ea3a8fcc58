"""The jobs, one script each; `pipeline` runs the others in a row."""
