"""The paper's tables, each a function of saved predictions."""
