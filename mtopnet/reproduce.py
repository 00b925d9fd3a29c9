"""Train, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

from functools import partial

from common.commands import reproduce
from mtopnet.config import PAPER, REPRODUCED
from mtopnet.evaluate import evaluate_run
from mtopnet.examples import draw_spectra
from mtopnet.explain import explain_run
from mtopnet.latent import latent_run
from mtopnet.train import train, variants_of

main = partial(
    reproduce.main,
    PAPER,
    "Train, evaluate, explain and report M-TOPnet on MOONS spectra.",
    train=train,
    steps=[
        (
            "Fig. 2",
            lambda run_dir, config, args: draw_spectra(run_dir, config, offline=args.offline),
        ),
        ("saliency", lambda run_dir, config, args: explain_run(run_dir)),
        # Few spectra, or no umap-learn: the report names what is missing.
        ("Fig. 13", lambda run_dir, config, args: latent_run(run_dir)),
    ],
    evaluate=evaluate_run,
    more=lambda args: variants_of(args, REPRODUCED[args.scale]),
)

if __name__ == "__main__":
    raise SystemExit(main())
