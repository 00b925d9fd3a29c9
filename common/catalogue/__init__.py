"""One engine for the catalogues of all papers: batch by batch, and on after a kill."""
