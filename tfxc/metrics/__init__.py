"""How good ranked predictions are, in one pass and in NumPy alone.

`RankingMetrics` adds up P, nDCG, PSP, PSnDCG, recall and coverage over blocks
of predictions, `inverse_propensity` gives the weights of PSP, and
`frequency_groups` splits labels into head, torso, tail and unseen.
"""

from tfxc.metrics.evaluation import Sample as Sample
from tfxc.metrics.evaluation import evaluate_split as evaluate_split
from tfxc.metrics.groups import LabelGroups as LabelGroups
from tfxc.metrics.groups import frequency_groups as frequency_groups
from tfxc.metrics.groups import rows_with_group as rows_with_group
from tfxc.metrics.propensity import DEFAULT_CONSTANTS as DEFAULT_CONSTANTS
from tfxc.metrics.propensity import PROPENSITY_CONSTANTS as PROPENSITY_CONSTANTS
from tfxc.metrics.propensity import inverse_propensity as inverse_propensity
from tfxc.metrics.propensity import propensity_constants as propensity_constants
from tfxc.metrics.ranking import RankingMetrics as RankingMetrics
