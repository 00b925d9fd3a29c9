"""What surveys and catalogues say of the stars."""
