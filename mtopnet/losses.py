"""Losses of the four tasks and the optimiser (Sect. 3.2.3)."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from common.schedules import learning_rate
from mtopnet.model import COMPONENTS, LOG_SIGMA


def known_mse(true, predicted):
    """Return the squared error of each row, 0 where the label is unknown (NaN).

    Parameters
    ----------
    true, predicted : tensor of shape (n, 1)
    """
    known = ops.isfinite(true)
    error = ops.where(known, ops.where(known, true, 0.0) - predicted, 0.0)
    return ops.mean(ops.square(error), axis=-1)


def split_mixture(raw):
    """Return log weights, means and sigmas of a mixture, each of shape (n, COMPONENTS)."""
    log_weight = ops.log_softmax(raw[:, :COMPONENTS], axis=-1)
    mean = raw[:, COMPONENTS : 2 * COMPONENTS]
    sigma = ops.exp(ops.clip(raw[:, 2 * COMPONENTS :], *LOG_SIGMA))
    return log_weight, mean, sigma


def mixture_loss(true, raw):
    """Return the negative log-likelihood of a mixture of Gaussians, 0 where a label is unknown.

    Parameters
    ----------
    true : tensor of shape (n, 1)
        Standardised.
    raw : tensor of shape (n, 3 `COMPONENTS`)
    """
    known = ops.isfinite(true)
    value = ops.where(known, true, 0.0)
    log_weight, mean, sigma = split_mixture(raw)
    each = -0.5 * ops.square((value - mean) / sigma) - ops.log(sigma) - 0.5 * math.log(2 * math.pi)
    loss = -ops.logsumexp(log_weight + each, axis=-1)
    return ops.where(known[:, 0], loss, 0.0)


def losses(config):
    """Return {task: loss}: categorical and binary cross-entropy, mean squared errors.

    PDFs of mass and SFR (ours) take their negative log-likelihood instead; "none" (ours) is binary.
    """
    scalar = mixture_loss if config.scalar_pdf else known_mse
    out = {
        "z": "categorical_crossentropy",
        "lines": "binary_crossentropy",
        "mass": scalar,
        "sfr": scalar,
    }
    return out | {"none": "binary_crossentropy"} if config.none else out


def rate_of(config, steps):
    """Return the learning rate over optimiser steps.

    Parameters
    ----------
    config : Config
        "paper": from `learning_rate` to `rate_final` linearly over `rate_epochs`, then constant;
        "cosine" is for short runs.
    steps : int
        Of an epoch.
    """
    if config.schedule == "paper":
        return keras.optimizers.schedules.PolynomialDecay(
            config.learning_rate,
            decay_steps=config.rate_epochs * steps,
            end_learning_rate=config.rate_final,
            power=1.0,
        )
    return learning_rate(
        config.schedule, initial=config.learning_rate, epochs=config.epochs, steps_per_epoch=steps
    )


def compile_model(model, config, steps):
    """Compile a network with the paper's losses, weights and rate; the optimiser (Adam) is default.

    Parameters
    ----------
    model : keras.Model
        As from `build_model`.
    config : Config
    steps : int
        Batches of an epoch.
    """
    model.compile(
        keras.optimizers.Adam(rate_of(config, steps)),
        loss=losses(config),
        loss_weights=config.loss_weights,
        # Weighted: redshifts of what is none of the network's kind are neither right nor wrong.
        weighted_metrics={"z": near_peak(config)},
    )


def near_peak(config):
    """Return a metric: is the peak within 0.01 of the labelled bin (Sect. 5.1)?"""
    bins = max(1, int(np.floor(0.01 / config.dz + 1e-6)))

    def success(true, predicted):
        away = ops.abs(ops.argmax(true, axis=-1) - ops.argmax(predicted, axis=-1))
        return ops.cast(away <= bins, "float32")

    success.__name__ = "success"
    return success
