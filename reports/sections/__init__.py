"""The page in order. A section is one file here and one line below; `of` says when it applies."""

from reports.papers.printed import Printed
from reports.sections.base import Section
from reports.sections.budget import Budgets
from reports.sections.contrasts import Contrasts
from reports.sections.defaults import Defaults
from reports.sections.failures import Failures
from reports.sections.importance import Importance
from reports.sections.measurements import Measurements
from reports.sections.overview import Overview
from reports.sections.profile import Profiles
from reports.sections.sensitivity import Sensitivity
from reports.sections.tolerance import Tolerances
from reports.sections.tuned import Tuned
from reports.sections.verdicts import Verdicts
from reports.sections.winning import Winning

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
    "measurements": Measurements,
    "papers": Printed,
    "failures": Failures,
}
