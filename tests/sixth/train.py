"""Train the network."""

from functools import partial

from common import runs
from common.commands import train as command
from common.fitting import Job
from common.inference import predict
from tests.sixth import data
from tests.sixth.config import PAPER
from tests.sixth.model import build


def train(config, run_dir, *, accelerator, **options):
    import keras

    run_dir, about, shards = runs.start(
        config, run_dir, data.prepare, accelerator=accelerator, **options
    )
    job = Job(config, run_dir, shards, accelerator)
    z = shards.labels[["z_true"]].to_numpy("float32")

    def fit(folder):
        keras.utils.set_random_seed(config.seed)
        model = build(config)
        model.compile(keras.optimizers.Adam(config.learning_rate), loss="mse", metrics=["mae"])
        return model, job.fit(model, z, name="line", folder=folder)

    model, test = job.once("line", fit, history=[]), job.rows("test")
    table = shards.labels.iloc[test].assign(z_pred=predict(model, shards.rows(test))[:, 0])
    return runs.finish(config, run_dir, about, table)


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
