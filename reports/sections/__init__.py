"""The page in order. A section is one file here and one line below; `of` says when it applies."""

from reports.papers.printed import Printed
from reports.sections.base import Section
from reports.sections.contrasts import Contrasts
from reports.sections.defaults import Defaults
from reports.sections.failures import Failures
from reports.sections.measurements import Measurements
from reports.sections.overview import Overview
from reports.sections.profile import Profiles
from reports.sections.sensitivity import Sensitivity
from reports.sections.tolerance import Tolerances
from reports.sections.tuned import Tuned
from reports.sections.verdicts import Verdicts

SECTIONS: dict[str, type[Section]] = {
    "overview": Overview,
    "verdicts": Verdicts,
    "defaults": Defaults,
    "sensitivity": Sensitivity,
    "contrasts": Contrasts,
    "tolerance": Tolerances,
    "profile": Profiles,
    "tuned": Tuned,
    "measurements": Measurements,
    "papers": Printed,
    "failures": Failures,
}
