"""The state of a training in one file: weights, optimiser, best weights and history."""

from __future__ import annotations

import json

import numpy as np

from common.files import atomic_path


def save_state(path, state, model):
    """Write weights, optimiser, best weights and history as one file, whole or not at all."""
    scores = {split: best["score"] for split, best in state["watched"].items()}
    kept = {k: state[k] for k in ("epoch", "best", "history")}
    about = json.dumps(kept | {"watched": scores})
    groups = {
        "weights": model.get_weights(),
        "optimizer": [v.numpy() for v in model.optimizer.variables],
        "best": state["best_weights"],
        "seeds": [v.numpy() for v in seeds_of(model)],
        **{f"watched-{split}": best["weights"] for split, best in state["watched"].items()},
    }
    arrays = {f"{k}_{i:04d}": a for k, group in groups.items() for i, a in enumerate(group)}
    with atomic_path(path) as temporary:
        np.savez(temporary, about=np.array(about), **arrays)


def seeds_of(model):
    """Return the variables in which dropout and its kin count on, which are no weights."""
    weights = {id(v) for v in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def load_state(path):
    """Return the state that `save_state` wrote: epoch, best, history, watched and all weights."""
    with np.load(path) as file:
        state = json.loads(str(file["about"]))

        def arrays(group):
            return [file[n] for n in sorted(n for n in file.files if n.startswith(f"{group}_"))]

        state |= {group: arrays(group) for group in ("weights", "optimizer", "seeds")}
        state["best_weights"] = arrays("best")
        state["watched"] = {
            split: {"score": score, "weights": arrays(f"watched-{split}")}
            for split, score in state.get("watched", {}).items()
        }
    return state
