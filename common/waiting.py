"""How long a training waits for its batches."""

from __future__ import annotations


class Waiting:
    """A clock that runs while a training waits for input.

    Attributes
    ----------
    seconds : float
        So far; may be set back to 0.
    """

    def __init__(self):
        self.seconds = 0.0

    def _add(self, before, after):
        self.seconds += float(after - before)

    def watch(self, ds):
        """Return a pipeline of the same batches that runs this clock.

        Parameters
        ----------
        ds : tf.data.Dataset
            Read by one replica: the time is that from asking for a batch to having it.

        Returns
        -------
        tf.data.Dataset
        """
        import tensorflow as tf

        # A zip asks its parts one after the other: the time, a batch, the time.
        clock = tf.data.Dataset.counter().map(lambda _: tf.timestamp())

        def note(before, batch, after):
            done = tf.numpy_function(self._add, [before, after], [])
            with tf.control_dependencies([done] if done is not None else []):
                return tf.nest.map_structure(tf.identity, batch)

        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False  # it would ask ahead of time
        return tf.data.Dataset.zip((clock, ds, clock)).map(note).with_options(options)
