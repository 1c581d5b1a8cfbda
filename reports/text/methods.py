"""Each number of the page with its formula and source, as the last section lists them."""

from typing import NamedTuple

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.text.wording import listed

SOURCES = {
    "init": "initial weights",
    "order": "the order of the rows",
    "split": "which rows are validation",
    "train_rows": "the train rows (each seed its bootstrap of them)",
    "backbone": "the backbone",
}
"""What seeds may vary, in words."""


def covered(study: StudyFacts, images: bool) -> str:
    """What the intervals of a study hold and what not; `images`: whether trials record groups of test images."""
    differ = (
        f"What differs from seed to seed: {listed([SOURCES.get(s, s) for s in study.varied])}. " if study.varied else ""
    )
    same = f"The same for all seeds: {listed([SOURCES.get(s, s) for s in study.constant])}. " if study.constant else ""
    return f"{differ}{same}{_SETS[study.resampled]} {_IMAGES[images]}"


_SETS = {
    True: "Intervals of curves, drops, areas, defaults and winners hold another training set of the same kind and "
    "size: half of the variance over the bootstraps (a tenth for F1 at tuned thresholds) is added, which does not "
    "shrink with their number. "
    "Those of random settings hold the choice of settings and other seeds.",
    False: "Intervals hold other seeds, not another training set.",
}
_IMAGES = {
    True: "Those of curves, drops, areas, defaults and winners also hold the choice of the test images (each metric "
    "without each of a number of fixed groups of images, the jackknife, paired like the seeds): half the width is the "
    "root of the sum of both squares, and tables show both.",
    False: "The choice of the test images is not in them, since these trials did not record it.",
}


class Method(NamedTuple):
    """One number."""

    name: str
    formula: str
    source: str


METHODS = (
    Method(
        "difference from default",
        "D0(k) = mean over r of Fᵣ(k) − Fᵣ(default)",
        "paired by seed, so that what a seed does to all levels cancels; the headline",
    ),
    Method(
        "cross-fitted difference from best",
        "mean over r of Fᵣ(k) − Fᵣ(k*₋ᵣ), k*₋ᵣ = argmax of V over the other seeds",
        "the best level is chosen without the seed and the split it is judged on",
    ),
    Method(
        "naive difference from best",
        "mean of F(k) − largest such mean",
        "Park et al. 2023 (RAL), Fig. 4; the largest of noisy means is too high, so a flat curve falls below 0 as well",
    ),
    Method(
        "interval",
        "mean ± √((t s / √n)² + (1.96 SE of images)²)",
        "Student 1908 over seeds, 95%, from five seeds on; test images, where recorded, by delete-group jackknife: "
        "Kott 2001",
    ),
    Method(
        "interval, where train rows vary",
        "s √(c + 1/n) in place of s / √n; c is ¾ for a score, ½ for a paired difference, of F1 ¼, of tuned F1 ⅒",
        "a bagged share of right answers varies over training sets by half the variance of its bootstraps: Bühlmann "
        "and Yu 2002; by more where the score is linear in the rows, by less where it is noise of few images or of a "
        "threshold, drawn anew with each bootstrap: measured",
    ),
    Method(
        "worst drop",
        "smallest D0(k) over k other than the default",
        "low end: lowest of the levels' limits; high end: lowest of limits corrected for the number of levels",
    ),
    Method("steady", "90% interval of the worst drop above −margin", "non-inferiority, a one-sided test at 5% "
           "(Schuirmann 1987); every planned level has five finite seeds and nothing diverged"),
    Method("sensitive", "95% interval of the worst drop below −margin", "or divergence alone costs more: low end of "
           "its rate's Wilson interval times the fall to the floor"),
    Method("real drop, size open", "95% interval below 0, not below −margin", "a drop, not surely above the margin"),
    Method("too few seeds", "n < 5 at every level", "no interval can be trusted"),
    Method("too noisy", "none of these", "the number of seeds beside it would settle it in four of five such studies"),
    Method("not judged", "low end of the default's interval ≤ floor + margin, or diverged, or lacking seeds",
           "not surely better than a constant predictor: what it loses says nothing"),
    Method("floor", "best score of a constant predictor, which ignores the image", "F1 of “always”, AP = prevalence, "
           "AUC = ½"),
    Method("divergence rate", "k of n, Wilson interval", "Wilson 1927; a diverged seed enters no interval as a score"),
    Method("floor-scored", "as the worst drop, a diverged seed scored as the constant predictor",
           "beside the worst drop of the finite seeds, never in its interval"),
    Method("the default is not the best", "D0(k) > margin, low end > 0", "interval corrected for the number of levels"),
    Method("span", "largest − smallest D0(k)", "interval over all pairs of levels, corrected for their number"),
    Method("size", "√ of the mean over levels of Dᵣ(k) Dₛ(k), r ≠ s", "0 on average when nothing matters, whatever the "
           "noise; negative where the mean is; cross-validated as in Walther et al. 2016"),
    Method("seed noise", "pooled standard deviation of F over seeds", "noise / span above 1: a curve of one seed says "
           "little"),
    Method("grey band", "naive curves of sign flips by seed, 95%", "where the naive curve lies if nothing matters"),
    Method("p (flat)", "share of sign flips by seed with as large a curve", "Fisher 1935: could no level matter?"),
    Method("area", "mean over levels other than the default of −D0(k), signed",
           "contrasted between losses by seed pairs; one Romano-Wolf family of sign flips, Romano and Wolf 2005"),
    Method("tolerance", "share of Sobol points with mean F ≥ reference − δ",
           "the reference is cross-fitted; intervals hold the choice of settings and of "
           "seeds"),
    Method("quantiles", "median, 10% quantile, mean of the worst tenth of Sobol points' mean F",
           "over points: binomial limits, for the tail its influence function (Trindade et al. 2007); over seeds: "
           "bootstrap times t"),
    Method("which loss wins", "share of pairs of settings under one seed, ties half",
           "over points: DeLong et al. 1988; shares and quantiles of two losses by Zou and Donner 2008"),
    Method("best of B", "expected F of the best by V among B Sobol points", "Tang et al. 2020, without replacement"),
    Method("shares of variance", "squared coefficients of an orthogonal polynomial fit",
           "Sudret 2008; refused where Q², by leaving one setting out, is below ½"),
    Method("performance profile", "share of Sobol points with mean F ≥ τ", "Dolan and Moré 2002; needs no reference"),
    Method("training looks unfinished", "mean rise − t √(Σ SE²) / n > margin, n seeds at the default, t at 95%",
           "rise and SE of the line through a trial's validation score over the last quarter of the epochs, at least "
           "four of at least eight; scatter alone says it in fewer than one of twenty cases"),
    Method("gain of tuning", "F(winner chosen on V) − F(default), fresh seeds", "Probst et al. 2019"),
    Method("gap", "V(winner) in the search − F(winner) on fresh seeds", "of the metric that is shown"),
    Method("sensitivity, dimensionality", "F(winner) − F(default), by F(winner) − floor; how many hyperparameters must "
           "be tuned for 95% of F(winner) − floor", "Adkins, Bowling and White 2024, with these data as the one "
           "environment"),
    Method("overtuning", "max F(leader) − F(winner), over the search's proposals that led on V when they were made",
           "Schneider, Bischl and Feurer 2025; relative: by max F(leader) − F(first); noise alone makes it positive"),
)  # fmt: skip
