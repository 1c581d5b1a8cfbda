"""Each number of the page with its formula and source, as the last section lists them."""

from typing import NamedTuple

from evenkeel.reports.facts import SHARED_ALONE, StudyFacts
from evenkeel.reports.text.wording import listed, some_of

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
    if study.folds:
        return f"{differ}{same}{_FOLDS.format(c=study.shared)}"
    rows = _train_rows(study) if study.resampled else "Intervals hold other seeds, not another training set."
    return f"{differ}{same}{rows} {_IMAGES[images]}{_few_positives(study) if images else ''}"


def _train_rows(study: StudyFacts) -> str:
    """What another training set adds, as it is added: of each metric."""
    parts = [f"{study.measures[name].shared:.0%} for {study.measures[name].title}" for name in study.headlines]
    return (
        "Intervals of curves, drops, areas, defaults and winners hold another training set of the same kind and size: "
        f"of the variance over the bootstraps, {listed(parts)} is added to differences and {SHARED_ALONE:.0%} to "
        "scores of their own, which does not shrink with the number of seeds. Intervals of tolerance, quantiles and "
        "best of B hold the choice of settings and other seeds."
    )


def _few_positives(study: StudyFacts) -> str:
    """A warning where classes have so few test positives that their own error is too small."""
    positives = zip(study.data.classes, study.data.positives.get("test", ()), strict=False)
    rare = [label for label, num in positives if 0 < num < FEW_TEST_POSITIVES]
    if not rare:
        return ""
    return (
        f" The error that test images add is too small for average precision of a single class with fewer than "
        f"{FEW_TEST_POSITIVES} test positives (by three quarters at five): {some_of(rare, MAX_NAMED)}; "
        "a mean over many classes is not affected."
    )


FEW_TEST_POSITIVES, MAX_NAMED = 10, 5
"""Positives below which a jackknife over images says too little of a class's average precision; classes named."""
_FOLDS = (
    "Intervals of curves, drops, areas and defaults hold other rows to train and to test on: {c:.0%} of the variance "
    "over folds is added, which does not shrink with the number of folds, since these share training rows. Intervals "
    "of tolerance, quantiles and best of B hold the choice of settings and other folds."
)
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
        "mean ± √((t s / √n)² + (2.01 SE of images)²)",
        "Student 1908 over seeds, 95%, from five seeds on; test images, where recorded, by delete-group jackknife: "
        "Kott 2001",
    ),
    Method(
        "interval, where train rows vary",
        "s √(c + 1/n) in place of s / √n; c is ¾ for a score, ½ for a paired difference, of F1 ¼, of tuned F1 ⅒",
        "a bagged share of right answers varies over training sets by half the variance of its bootstraps: Bühlmann "
        "and Yu 2002; by more where the score is linear in the rows, by less where it is noise of few images or of a "
        "threshold, drawn anew with each bootstrap: measured; of folds c is test rows by train rows: Nadeau and Bengio "
        "2003",
    ),
    Method(
        "worst change",
        "smallest D0(k) over k other than the default",
        "low end: lowest of the levels' limits; high end: lowest of limits corrected for the number of levels; in "
        "verdicts corrected for all that the page judges",
    ),
    Method("steady", "low end of the worst change's interval above −margin", "non-inferiority, one-sided (Schuirmann "
           "1987; a gain is not limited); false on at most 5% of pages: Hochberg 1988; every planned level has five "
           "finite seeds, nothing diverged, and what failed changes nothing at the floor"),
    Method("sensitive", "high end of the worst change's interval below −margin", "or divergence alone costs more: low "
           "end of its rate's Wilson interval times the fall to the floor"),
    Method("real drop, size open", "high end below 0, not below −margin", "a drop, not surely above the margin"),
    Method("family", "drops and comparisons of a page: 5% / (cells + pairs) each", "one metric, one page; another "
           "metric than the study's gives leads. A study that grew from run to run: 4% at the first look, 1% over all "
           "later ones (error spending, Lan and DeMets 1983)"),
    Method("pooled noise", "s² drawn towards the common variance of all levels of a page", "as far as their variances "
           "are alike: Smyth 2004; degrees of freedom by their correlations"),
    Method("too few seeds", "n < 5 at every level", "no interval can be trusted"),
    Method("too noisy", "none of these", "the number of seeds beside it would settle it in four of five such studies"),
    Method("not judged", "low end of the default's interval ≤ floor + margin, or diverged, or lacking seeds",
           "not surely better than a constant predictor: what it loses says nothing"),
    Method("floor", "best score of a constant predictor, which ignores the image", "F1 of “always”, AP = prevalence, "
           "AUC = ½"),
    Method("divergence rate", "k of n, Wilson interval", "Wilson 1927; a diverged seed enters no interval as a score"),
    Method("floor-scored", "as the worst change, a diverged seed scored as the constant predictor",
           "beside the worst change of the finite seeds, never in its interval"),
    Method("the default is not the best", "D0(k) > margin, low end > 0", "interval corrected for the number of levels"),
    Method("span", "largest − smallest D0(k)", "interval over all pairs of levels, corrected for their number"),
    Method("size", "√ of the mean over levels of Dᵣ(k) Dₛ(k), r ≠ s", "0 on average when nothing matters, whatever the "
           "noise; negative where the mean is; cross-validated as in Walther et al. 2016"),
    Method("seed noise", "pooled standard deviation of F over seeds", "noise / span above 1: a curve of one seed says "
           "little"),
    Method("grey band", "naive curves drawn with the measured errors, 95%", "where the naive curve lies if nothing "
           "matters; seeds, train rows and test images are drawn"),
    Method("p (flat)", "least p of the levels, times their number", "t of each level by the error of all sources "
           "(Satterthwaite 1946): could no level matter? Of this curve alone"),
    Method("area", "mean over levels other than the default of −D0(k), signed",
           "contrasted between losses by seed pairs; it is a mean change: gains make up for drops"),
    Method("interaction", "mean over r of Fᵣ(a, b) − Fᵣ(a) − Fᵣ(b) + Fᵣ(default)",
           "of two hyperparameters that moved together, a and b alone where one is named; sure where its interval, "
           "corrected for all interactions of the page, leaves 0 out; both add up where all lie within the margin "
           "(Schuirmann 1987)"),
    Method("tolerance", "share of Sobol points with mean F ≥ reference − δ",
           "the reference is cross-fitted; intervals hold the choice of settings and of "
           "seeds"),
    Method("quantiles", "median, 10% quantile, mean of the worst tenth of Sobol points' mean F",
           "over points: binomial limits, for the tail its influence function (Trindade et al. 2007); over seeds: "
           "bootstrap times t"),
    Method("which loss wins", "share of pairs of settings under one seed, ties half",
           "named where the share and the mean score both surely point one way, over all pairs; "
           "over points: DeLong et al. 1988; shares and quantiles of two losses by Zou and Donner 2008"),
    Method("best of B", "expected F of the best by V among B Sobol points", "Tang et al. 2020, without replacement"),
    Method("shares of variance", "squared coefficients of an orthogonal polynomial fit",
           "Sudret 2008; refused where Q², by leaving one setting out, is below ½"),
    Method("performance profile", "share of Sobol points with mean F ≥ τ", "Dolan and Moré 2002; needs no reference"),
    Method("training looks unfinished", "mean rise − t s / √n > margin, n ≥ 2 seeds at the default, s over seeds",
           "rise of the line through a trial's validation score over the last quarter of the epochs, at least four of "
           "at least eight; scatter alone names any loss on at most 5% of pages"),
    Method("gain of tuning", "F(winner chosen on V) − F(default), fresh seeds", "Probst et al. 2019"),
    Method("gap", "V(winner) in the search − F(winner) on fresh seeds", "of the metric that is shown"),
    Method("sensitivity, dimensionality", "F(winner) − F(default), by F(winner) − floor; how many hyperparameters must "
           "be tuned for 95% of F(winner) − floor", "Adkins, Bowling and White 2024, with these data as the one "
           "environment"),
    Method("overtuning", "max F(leader) − F(winner), over the search's proposals that led on V when they were made",
           "Schneider, Bischl and Feurer 2025; relative: by max F(leader) − F(first); noise alone makes it positive"),
)  # fmt: skip

METHODS_OVER_SETS = (
    Method("over data sets", "mean over sets ± t s / √D; on these sets alone: errors within the sets", "the data set "
           "is the unit of replication; from five sets on"),
    Method("profile over data sets", "share of runs with Fᵣ(default) − Fᵣ(k) ≤ x margins, mean over sets",
           "Agarwal et al. 2021, as the probability of improvement"),
    Method("sensitivity over data sets", "mean over sets of F(best of the set) − F(best over sets), normalised by "
           "the 5% and 95% quantiles of all settings", "Adkins, Bowling and White 2024; settings "
           "chosen on V of other seeds"),
)  # fmt: skip
"""Of a page of several studies."""
