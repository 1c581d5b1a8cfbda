"""The page in order. A section is one file here and one line below; `for_study` says when it applies."""

from evenkeel.reports.papers.figures_of_papers import FiguresOfPapers
from evenkeel.reports.papers.numbers_of_papers import NumbersOfPapers
from evenkeel.reports.sections.answer import Answer
from evenkeel.reports.sections.base import StudySection
from evenkeel.reports.sections.budget import Budget
from evenkeel.reports.sections.classes import Classes, DroppingClasses
from evenkeel.reports.sections.contrasts import Contrasts
from evenkeel.reports.sections.defaults import Defaults
from evenkeel.reports.sections.embedding import Embedding
from evenkeel.reports.sections.examples import Examples
from evenkeel.reports.sections.failures import Failures
from evenkeel.reports.sections.gradcam import GradCam
from evenkeel.reports.sections.gradients import Gradients
from evenkeel.reports.sections.importance import Importance
from evenkeel.reports.sections.labels import LabelDistribution
from evenkeel.reports.sections.measurements import Measurements
from evenkeel.reports.sections.overview import Overview
from evenkeel.reports.sections.pairs import Pair
from evenkeel.reports.sections.profile import Profile
from evenkeel.reports.sections.ranking import Ranking
from evenkeel.reports.sections.sensitivity import Sensitivity
from evenkeel.reports.sections.tolerance import Tolerance
from evenkeel.reports.sections.tuned import Tuned
from evenkeel.reports.sections.verdicts import Verdicts
from evenkeel.reports.sections.win_probability import WinProbability
from evenkeel.reports.sections.worse_images import WorseImages

SECTIONS: tuple[type[StudySection], ...] = (
    Answer,
    Ranking,
    Overview,
    Verdicts,
    Defaults,
    Sensitivity,
    Pair,
    Contrasts,
    Tolerance,
    Profile,
    WinProbability,
    Budget,
    Importance,
    Tuned,
    DroppingClasses,
    Classes,
    WorseImages,
    LabelDistribution,
    Gradients,
    Embedding,
    Examples,
    GradCam,
    Measurements,
    NumbersOfPapers,
    FiguresOfPapers,
    Failures,
)
