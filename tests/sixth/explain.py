"""What the network looks at."""

from functools import partial

import numpy as np
import pandas as pd

from common.commands import explain as command
from common.explain import saliency
from common.files import write_parquet
from common.pipeline import Shards
from tests.sixth.config import PAPER
from tests.sixth.predict import load


def explain_run(run_dir, out=None):
    config, model = load(run_dir)
    x = Shards(run_dir / "data").rows(np.arange(20))
    table = pd.DataFrame({"wave": config.grid, "saliency": np.abs(saliency(model, x)).mean(axis=0)})
    write_parquet(table, (out or run_dir) / "saliency.parquet")


main = partial(command.main, PAPER, "What the network looks at.",
               lambda args: explain_run(args.run_dir, args.output))  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
