"""Many moments at a glance: contact sheets and looping videos, so that a person can say what a cluster shows."""

from vp_science.montage.choose import choose_moments as choose_moments
from vp_science.montage.drawing import Moment as Moment
from vp_science.montage.drawing import time_span as time_span
from vp_science.montage.sheet import contact_sheet as contact_sheet
from vp_science.montage.video import MontageVideo as MontageVideo
from vp_science.montage.video import write_montage as write_montage
