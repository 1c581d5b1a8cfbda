"""The page in order. A section is one file here and one line below; `of` says when it applies."""

from evenkeel.reports.papers.figures_of_papers import Pictured
from evenkeel.reports.papers.numbers_of_papers import Printed
from evenkeel.reports.sections.base import Section
from evenkeel.reports.sections.budget import Budgets
from evenkeel.reports.sections.contrasts import Contrasts
from evenkeel.reports.sections.defaults import Defaults
from evenkeel.reports.sections.embedding import Coordinates
from evenkeel.reports.sections.examples import Examples
from evenkeel.reports.sections.failures import Failures
from evenkeel.reports.sections.gradcam import GradCams
from evenkeel.reports.sections.gradients import Pull
from evenkeel.reports.sections.importance import Importance
from evenkeel.reports.sections.measurements import Measurements
from evenkeel.reports.sections.overview import Overview
from evenkeel.reports.sections.profile import Profiles
from evenkeel.reports.sections.sensitivity import Sensitivity
from evenkeel.reports.sections.tolerance import Tolerances
from evenkeel.reports.sections.tuned import Tuned
from evenkeel.reports.sections.verdicts import Verdicts
from evenkeel.reports.sections.win_probability import Winning
from evenkeel.reports.sections.worse_images import WorseImages

SECTIONS: dict[str, type[Section]] = {
    "overview": Overview,
    "verdicts": Verdicts,
    "defaults": Defaults,
    "sensitivity": Sensitivity,
    "contrasts": Contrasts,
    "tolerance": Tolerances,
    "profile": Profiles,
    "winning": Winning,
    "budget": Budgets,
    "importance": Importance,
    "tuned": Tuned,
    "worse-images": WorseImages,
    "gradients": Pull,
    "embedding": Coordinates,
    "examples": Examples,
    "gradcam": GradCams,
    "measurements": Measurements,
    "papers": Printed,
    "pictures": Pictured,
    "failures": Failures,
}
