"""Fitting a model: epochs, optimiser of rows, checkpoints, run folders."""

from tfxc.training.check_fields import ABOVE_0 as ABOVE_0
from tfxc.training.check_fields import check_fields as check_fields
from tfxc.training.checkpoint import restore_checkpoint as restore_checkpoint
from tfxc.training.checkpoint import save_checkpoint as save_checkpoint
from tfxc.training.fit import fit as fit
from tfxc.training.job import Job as Job
from tfxc.training.job import num_held_out as num_held_out
from tfxc.training.job import split_rows as split_rows
from tfxc.training.mining import NegativeMining as NegativeMining
from tfxc.training.negatives import drawn_negatives as drawn_negatives
from tfxc.training.refresh_negatives import RefreshNearest as RefreshNearest
from tfxc.training.refresh_negatives import RefreshNegatives as RefreshNegatives
from tfxc.training.row_adagrad import RowAdagrad as RowAdagrad
from tfxc.training.schedules import LinearDecay as LinearDecay
from tfxc.training.text_recipe import TEXT_RANGES as TEXT_RANGES
from tfxc.training.text_recipe import TextRecipe as TextRecipe
from tfxc.training.text_recipe import dense_optimizer as dense_optimizer
from tfxc.training.text_recipe import encoder_and_tokens as encoder_and_tokens
from tfxc.training.text_recipe import row_optimizer as row_optimizer
from tfxc.training.text_recipe import tokens as tokens
from tfxc.training.trained import Trained as Trained
from tfxc.training.validate import validate as validate
