"""The paper's figures, each a function of saved predictions."""
