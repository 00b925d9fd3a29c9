"""Speed and memory, always as a comparison made in one run."""
