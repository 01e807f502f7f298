"""Trained models in use: SavedModels that answer strings, and reports.

`export_saved_model` writes a model that needs nothing but TensorFlow, or ScaNN
beside it; `load_saved_model` reads it again; `write_report` puts a training run
on one page, with predictions from `readable_examples`, and `print_metrics`
shows its tables in a terminal.
"""

from tfxc.saved_model import load_saved_model as load_saved_model
from tfxc.saved_model import read_description as read_description
from tfxc.serving.curves import draw_curves as draw_curves
from tfxc.serving.examples import readable_examples as readable_examples
from tfxc.serving.export import INDEXES as INDEXES
from tfxc.serving.export import export_saved_model as export_saved_model
from tfxc.serving.finish import finish as finish
from tfxc.serving.metric_tables import metric_tables as metric_tables
from tfxc.serving.metric_tables import print_metrics as print_metrics
from tfxc.serving.query_texts import query_texts as query_texts
from tfxc.serving.query_vectors import QueryVectors as QueryVectors
from tfxc.serving.report import write_report as write_report
from tfxc.serving.summary import print_summary as print_summary
