"""How often does one study's 95 % interval hold the truth, and how often is its verdict wrong?

Composes fresh digits-mlt data sets (the same digits, other scenes, class counts drawn) and runs a small study on each:
sweeps of two hyperparameters of ASL and RAL, Sobol points, ten seeds of its own that vary initial weights, order and
train rows. The truth is the mean over all data sets. Beside it, on the same data sets, the method of version 0.2: six
seeds that vary initial weights and order alone, no image error, BCa intervals of shares.

The backbone is warm-started once, on scenes that no study sees, and frozen: it is the same for all, as these studies
say of themselves. Everything runs in this process or in one a core; no Ray.
Run: python -m benchmarks.coverage  (some ten minutes on two idle cores; --keep to go on where it stopped)
"""

import argparse
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats

from evenkeel.reports.sections.contrasts import Contrasts
from evenkeel.reports.sections.tolerance import Tolerance
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.statistics.random_settings import best_of_resamples, means_of_resamples
from evenkeel.reports.table.designs import (
    default_score,
    losses_of,
    sobol_points_of,
    sweep_of,
    swept_hyperparameters,
    with_metric,
)
from evenkeel.reports.table.trial_table import IMAGES, TrialRow, facts_of, trial_table, with_facts
from evenkeel.reports.verdict.verdict import SENSITIVE, STEADY, judge
from evenkeel.study.file.header import DEFAULT_MARGIN
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.facts import make_study_facts
from evenkeel.trainables.data.digits import DigitsMlt
from evenkeel.trainables.measures import HEADLINES
from evenkeel.trainables.models.build import build
from evenkeel.trainables.models.settings import Backbone, WarmStart
from evenkeel.trainables.models.warm_start import seeded, warm_start

UNSEEN = 1_000_000
"""The composition on which the backbone is made; studies have 1, 2, ..."""
STUDY = "losses=[{loss: asl, fixed: {focusing: full}}, {loss: ral, fixed: {focusing: full}}]"
METRIC = HEADLINES[0]
QUANTITIES = SCORE, CURVE, DROP, CONTRAST, TOLERANCE = (
    "score-at-default", "reference-curve", "worst-drop", "contrast", "tolerance",
)  # fmt: skip


class Key(NamedTuple):
    """What an interval is of: a metric, and the loss, hyperparameter or level within the quantity."""

    quantity: str
    metric: str
    subject: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What one study says: intervals, and verdicts with the key of their worst drop."""

    intervals: dict[Key, Interval]
    verdicts: dict[Key, str]


Shares = Callable[[pd.DataFrame, np.random.Generator], dict[str, Interval]]
"""From a table to the share of settings of each loss within the margin of the best of all."""
Both = tuple[Found, Found]
"""By this method, and by the former one."""


@dataclass(frozen=True)
class Size:
    """How large the studies are."""

    sets: int = 100
    seeds: int = 10
    former_seeds: int = 6
    levels: int = 5
    m: int = 4
    epochs: int = 8
    warm_epochs: int = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=Size.sets, help="data sets")
    parser.add_argument("--seeds", type=int, default=Size.seeds, help="of each study, at least 5")
    parser.add_argument("--former-seeds", type=int, default=Size.former_seeds, help="likewise of the former method")
    parser.add_argument("--levels", type=int, default=Size.levels, help="of each sweep")
    parser.add_argument("--m", type=int, default=Size.m, help="2^m Sobol points")
    parser.add_argument("--epochs", type=int, default=Size.epochs, help="of each trial")
    parser.add_argument("--warm-epochs", type=int, default=Size.warm_epochs, help="of the backbone's warm start")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--keep", help="a folder that keeps the trials: the same command then goes on where it stopped")
    options = vars(parser.parse_args())
    workers, keep = options.pop("workers"), options.pop("keep")
    with tempfile.TemporaryDirectory() as folder:
        ours, former = measured(Size(**options), Path(keep or folder), workers)
    report(ours, "coverage", "contradicted-verdicts")
    report(former, "coverage-of-former-method", "contradicted-verdicts-of-former-method")


def measured(size: Size, folder: Path, workers: int) -> tuple[list[Found], list[Found]]:
    """What each study says, by this method and by the former one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (weights := folder / "backbone.pt").exists():
        torch.save(_backbone(size.warm_epochs), weights)
    of_set, numbers = partial(both, size=size, folder=folder), range(1, size.sets + 1)
    results = list(map(of_set, numbers)) if workers == 1 else _shared_out(of_set, numbers, workers)
    return [ours for ours, _ in results], [former for _, former in results]


def _shared_out(of_set: Callable[[int], Both], numbers: Iterable[int], workers: int) -> list[Both]:
    """Each process keeps to a core of its own: threads that wait for each other on a busy core waste it."""
    spawned, cores = get_context("spawn"), sorted(os.sched_getaffinity(0))
    free = spawned.SimpleQueue()
    for worker in range(workers):
        free.put(cores[worker % len(cores)])
    with ProcessPoolExecutor(workers, spawned, initializer=_keep_to_one, initargs=(free,)) as pool:
        return list(pool.map(of_set, numbers))


def _keep_to_one(free: "SimpleQueue[int]") -> None:
    os.sched_setaffinity(0, {free.get()})


def both(number: int, size: Size, folder: Path) -> Both:
    """The study of data set `number` by this method, and by the former one."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        ours = kept(number, size.seeds, "[init, order, train_rows]", size, folder, Path(cache))
        plain = kept(number, size.former_seeds, "[init, order]", size, folder, Path(cache))
    return found_in(ours, _tolerances), found_in(without_images(plain), _former_tolerances)


def kept(number: int, seeds: int, vary: str, size: Size, folder: Path, cache: Path) -> pd.DataFrame:
    """The table of `run_study`, from the folder if it is there."""
    path = folder / f"{number}-{seeds}-{vary}-{size.levels}-{size.m}-{size.epochs}.pkl"
    if not path.exists():
        table = run_study(number, seeds, vary, size, folder / "backbone.pt", cache)
        table.to_pickle(unfinished := path.with_suffix(".new"))
        unfinished.rename(path)
    return pd.read_pickle(path)


def run_study(number: int, seeds: int, vary: str, size: Size, weights: Path, cache: Path) -> pd.DataFrame:
    """The trial table of one study, trained pack by pack; both studies of a data set share its features."""
    own = list(range(number * seeds, (number + 1) * seeds))
    config = load_study(
        "demo",
        [
            STUDY,
            f"designs={{sweep: {{levels: {size.levels}, hyperparameters: [gamma_neg, clip]}}, sobol: {{m: {size.m}}}}}",
            f"data.composition={number}",
            f"designs.sobol.seed={number}",
            f"seeds={own}",
            f"vary={vary}",
            f"trainable.epochs={size.epochs}",
            f"trainable.backbone={{name: test_resnet, weights: '{weights}'}}",
        ],
    )
    worker = config.trainable.worker()
    prepared = worker.prepare(config.data, cache, "cpu")
    trials = sorted(Planner(config, {}, {}).planned(), key=lambda trial: trial.seed)
    planned = {loss.label: {"sweep": 1, "sobol": 1} for loss in config.losses}
    facts = make_study_facts(config, prepared.describe(config.seeds), planned)
    packs = (list(pack) for _, pack in groupby(trials, key=lambda trial: trial.seed))
    rows = [
        TrialRow(
            trial_id=trial.id,
            loss=trial.label,
            loss_name=trial.loss,
            design=trial.design,
            seed=trial.seed,
            moved=trial.moved,
            state=result.state,
            hyperparameters=trial.setting,
            metrics=result.metrics,
            images=result.images,
        )
        for pack in packs
        for trial, result in worker.run(pack, prepared, Path())
    ]
    return trial_table(rows, facts)


def without_images(table: pd.DataFrame) -> pd.DataFrame:
    """The table as trials were recorded before they held what groups of test images are worth."""
    kept = table.drop(columns=[name for name in table.columns if name.startswith(IMAGES)])
    return with_facts(kept, replace(facts_of(table), varied=()))


def found_in(table: pd.DataFrame, tolerances: Shares) -> Found:
    """All intervals and verdicts of a study, under every headline metric."""
    estimates = Found({}, {})
    for metric in HEADLINES:
        metric_table = with_metric(table, metric)
        study = facts_of(metric_table)
        for loss in losses_of(metric_table):
            estimates.intervals[Key(SCORE, metric, (loss,))] = default_score(metric_table, loss, metric)
        for loss, name in (
            (loss, name) for loss in losses_of(metric_table) for name in swept_hyperparameters(metric_table)
        ):
            if (sweep := sweep_of(metric_table, loss, name)) is None:
                continue
            curve, judged = sweep.reference, judge(sweep, study.margin, study.floor)
            for k in sweep.moved:
                estimates.intervals[Key(CURVE, metric, (loss, name, f"{sweep.levels[k]:g}"))] = curve[k]
            estimates.intervals[drop := Key(DROP, metric, (loss, name))] = judged.own
            estimates.verdicts[drop] = judged.status
        rng = np.random.default_rng(0)
        for c in Contrasts().compute(metric_table, rng).contrasts:
            estimates.intervals[Key(CONTRAST, metric, (c.first, c.second, c.name))] = c.difference
        for loss, interval in tolerances(metric_table, rng).items():
            estimates.intervals[Key(TOLERANCE, metric, (loss,))] = interval
    return estimates


def _tolerances(table: pd.DataFrame, rng: np.random.Generator) -> dict[str, Interval]:
    """The share of settings within the margin of the best of all losses."""
    return {t.loss: t.at_margin_overall for t in Tolerance().compute(table, rng).losses}


def _former_tolerances(table: pd.DataFrame, rng: np.random.Generator) -> dict[str, Interval]:
    """The same shares, with a BCa bootstrap over the seeds alone."""
    points_by_loss = [cloud for loss in losses_of(table) if (cloud := sobol_points_of(table, loss))]
    test, val = (np.concatenate([getattr(cloud, name) for cloud in points_by_loss]) for name in ("test_HS", "val_HS"))
    margin = facts_of(table).margin

    def interval(scores_HS: np.ndarray) -> Interval:
        def share(rows: np.ndarray, axis: int = -1) -> np.ndarray:
            drawn = np.moveaxis(np.atleast_2d(rows), axis, -1)
            best = best_of_resamples(test, val, drawn)
            shares = (means_of_resamples(scores_HS, drawn) >= best[:, None] - margin).mean(-1)
            return shares if rows.ndim > 1 else shares[0]

        seeds = np.arange(scores_HS.shape[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the same share in every resample
            ends = stats.bootstrap((seeds,), share, n_resamples=200, rng=rng, axis=-1).confidence_interval
        value = float(share(seeds))
        finite = np.isfinite(ends.low)
        return Interval(value, float(ends.low) if finite else value, float(ends.high) if finite else value, len(seeds))

    return {cloud.loss: interval(cloud.test_HS) for cloud in points_by_loss}


def _backbone(epochs: int) -> dict[str, torch.Tensor]:
    """Weights warm-started on the train rows of the unseen composition."""
    images = DigitsMlt(composition=UNSEEN).load(32, Path())
    train = images.split == 0
    with seeded(0), tempfile.TemporaryDirectory() as notes:
        model = build(Backbone(name="test_resnet"), 1, "cpu")
        warm_start(model, images.images, images.targets, np.flatnonzero(train), WarmStart(epochs=epochs), Path(notes))
    return model.module.state_dict()


def truths(studies: Sequence[Found]) -> dict[Key, float]:
    """The mean of each quantity over the data sets; of a worst drop the lowest mean difference of its levels."""
    values = defaultdict(list)
    for study in studies:
        for key, interval in study.intervals.items():
            values[key].append(interval.value)
    means = {key: float(np.nanmean(estimates)) for key, estimates in values.items()}
    for key in means:
        if key.quantity == DROP:
            levels = (mean for k, mean in means.items() if k.quantity == CURVE and _within(k, key))
            means[key] = min(levels)
    return means


def _within(curve: Key, drop: Key) -> bool:
    return curve.metric == drop.metric and curve.subject[:2] == drop.subject


def coverage(studies: Sequence[Found], keys: Iterable[Key], truth: dict[Key, float]) -> float:
    """The share of the intervals of `keys` that hold the truth."""
    intervals = [(study.intervals[key], truth[key]) for key in keys for study in studies if key in study.intervals]
    return float(np.mean([i.low <= value <= i.high for i, value in intervals]))


def contradicted(studies: Sequence[Found], truth: dict[Key, float], margin: float) -> tuple[float, int]:
    """The share of the steady and sensitive verdicts that the true worst drop contradicts, and their number."""
    claims = [(status, truth[key]) for study in studies for key, status in study.verdicts.items()]
    wrong = [(drop < -margin) == (status == STEADY) for status, drop in claims if status in (STEADY, SENSITIVE)]
    return (float(np.mean(wrong)) if wrong else 0.0), len(wrong)


def report(studies: Sequence[Found], name: str, of_verdicts: str) -> None:
    """A table by metric; then the ratios of the metric of the study, and of the verdicts of all metrics."""
    truth = truths(studies)
    print(f"{name:28}" + "".join(f"{metric:>10}" for metric in HEADLINES))
    shares = {
        (quantity, metric): coverage(studies, [k for k in truth if k[:2] == (quantity, metric)], truth)
        for quantity in QUANTITIES
        for metric in HEADLINES
    }
    for quantity in QUANTITIES:
        print(f"{quantity:28}" + "".join(f"{shares[quantity, metric]:10.3f}" for metric in HEADLINES))
    for quantity in QUANTITIES:
        print(f"ratio {name}/{quantity} {shares[quantity, METRIC]:.3f}")
    share, number = contradicted(studies, truth, DEFAULT_MARGIN)
    print(f"ratio {of_verdicts} {share:.3f}  (of {number} steady or sensitive ones)")


if __name__ == "__main__":
    main()
