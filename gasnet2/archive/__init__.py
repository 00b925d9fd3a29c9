"""The paper's samples from the surveys' own archives and from the authors' tables."""
