"""The page in order. A section is one file here and one line below; `of` says when it applies."""

from reports.papers.pictured import Pictured
from reports.papers.printed import Printed
from reports.sections.base import Section
from reports.sections.budget import Budgets
from reports.sections.contrasts import Contrasts
from reports.sections.coordinates import Coordinates
from reports.sections.defaults import Defaults
from reports.sections.examples import Examples
from reports.sections.failures import Failures
from reports.sections.gradcam import GradCams
from reports.sections.importance import Importance
from reports.sections.measurements import Measurements
from reports.sections.overview import Overview
from reports.sections.profile import Profiles
from reports.sections.pull import Pull
from reports.sections.sensitivity import Sensitivity
from reports.sections.tolerance import Tolerances
from reports.sections.tuned import Tuned
from reports.sections.verdicts import Verdicts
from reports.sections.winning import Winning
from reports.sections.worse_images import WorseImages

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
