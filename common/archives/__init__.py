"""How archives are asked: trees of files, TAP, DataLink, and where each survey keeps its files."""
