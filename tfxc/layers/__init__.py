"""Output layers over all labels, in `keras.ops` alone.

A label here has a vector of its own, one row of a table, in place of or beside
the encoding of its text.
"""

from tfxc.layers.adaptive_softmax import AdaptiveSoftmax as AdaptiveSoftmax
from tfxc.layers.adaptive_start import (
    start_adaptive_softmax as start_adaptive_softmax,
)
from tfxc.layers.corrected_classifier import (
    CorrectedClassifier as CorrectedClassifier,
)
from tfxc.layers.cost_model import CostModel as CostModel
from tfxc.layers.cost_model import measure_cost as measure_cost
from tfxc.layers.cutoffs import choose_cutoffs as choose_cutoffs
from tfxc.layers.cutoffs import cost_of as cost_of
from tfxc.layers.full_label_loss import full_label_loss as full_label_loss
from tfxc.layers.full_label_loss import (
    full_label_loss_and_gradients as full_label_loss_and_gradients,
)
from tfxc.layers.full_label_memory import (
    full_label_memory as full_label_memory,
)
from tfxc.layers.label_classifier import LabelClassifier as LabelClassifier
from tfxc.layers.large_margin_dense import LargeMarginDense as LargeMarginDense
from tfxc.layers.large_margin_dense import MarginSoftmax as MarginSoftmax
from tfxc.layers.margin_scores import margin_easing as margin_easing
from tfxc.layers.margin_scores import margin_scores as margin_scores
from tfxc.layers.weighted_rows import add_weighted_rows as add_weighted_rows
from tfxc.layers.weighted_rows import weighted_rows as weighted_rows
