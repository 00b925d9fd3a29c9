"""Train the network."""

import sys
from functools import partial

from common.commands import train as command
from tests.sixth.config import PAPER


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    import keras

    from common import runs
    from common.files import write_parquet
    from common.fitting import Job
    from common.inference import predict
    from tests.sixth import data
    from tests.sixth.model import build

    run_dir, _ = runs.begin(
        run_dir, config, accelerator=accelerator, data_dir=data_dir, resume=resume
    )
    shards, history = data.prepare(config, run_dir / "data", data_dir), []
    job = Job(config, run_dir, shards, accelerator)

    def fit(folder):
        keras.utils.set_random_seed(config.seed)
        model = build(config)
        model.compile(keras.optimizers.Adam(config.learning_rate), loss="mse", metrics=["mae"])
        return model, job.fit(
            model, shards.labels["z_true"].to_numpy("float32")[:, None], name="line", mode="min",
            rows={s: job.rows(s) for s in ("train", "valid")}, folder=folder, seed=config.seed,
            batch_size=config.batch_size, epochs=config.epochs,
        )  # fmt: skip

    model, test = job.once("line", fit, history), job.rows("test")
    table = shards.labels.iloc[test].assign(z_pred=predict(model, shards.rows(test))[:, 0])
    write_parquet(table, run_dir / "predictions.parquet")


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    sys.exit(main())
