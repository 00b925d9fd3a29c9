"""Functions compiled to graphs of TensorFlow."""

from __future__ import annotations

from functools import partial


def graph(function, **options):
    """Return a function compiled by ``tf.function``, counted by itself.

    TensorFlow counts how often a line of code is traced and warns at the fifth: several models,
    each with its function of one line, would be taken for one that is traced anew at each call.

    Parameters
    ----------
    function : callable
    **options
        Of ``tf.function``.
    """
    import tensorflow as tf

    return tf.function(partial(function), **options)
