"""Keras models: saved whole, used again, their optimisers brought back."""

from __future__ import annotations

from common.files import atomic_path


def save_model(model, path):
    """Save a model as .keras, whole or not at all; its folder is made if it is missing."""
    with atomic_path(path) as temporary:
        model.save(temporary)


def restore_optimizer(model, values):
    """Set all variables of a model's optimiser, building them first where that is still to do."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, values, strict=True):
        variable.assign(value)


class Reusable:
    """Compiled models to use again with new weights.

    Tracing a network's training step takes TensorFlow several seconds; the members of an ensemble
    and the ensembles of a pipeline can share one trace.
    """

    def __init__(self):
        self._held = {}

    def get(self, key, build):
        """Return a freshly initialised compiled model.

        Parameters
        ----------
        key : hashable
            Models of equal key are built and compiled alike.
        build : callable
            Returns a new model (and compiles it, given ``compiled=True``).
        """
        if key not in self._held:
            model = build(compiled=True)
            model.optimizer.build(model.trainable_variables)
            self._held[key] = model, [v.numpy() for v in model.optimizer.variables]
            return model
        model, optimizer = self._held[key]
        model.set_weights(build(compiled=False).get_weights())
        restore_optimizer(model, optimizer)
        return model
