"""Invariants of a recipe's defaults: the constructor named as the data set.

- names are those of files or folders, in any case, with - or _;
- with a transformer, the constructor named for both goes before the one for
  any data; without either, the fields are as the recipe has them.
"""

import pathlib

import pytest

from models import ngame
from tfxc.options import data_name, parse_options

BERT = ["--encoder", "some/folder"]


@pytest.mark.parametrize(
    ("path", "constructor"),
    [
        ("data/yso-finna-en", "yso_finna_en"),
        ("data/YSO_Finna_EN", "yso_finna_en"),
        ("cooking.txt", "cooking"),
        ("else", None),
        ("check", None),
    ],
)
def test_by_the_name_of_the_data(path, constructor):
    assert parsed(["--data", path]) == made(constructor)


@pytest.mark.parametrize(
    ("path", "constructor"),
    [
        ("LF-AmazonTitles-131K", "lf_amazontitles_131k_transformer"),
        ("cooking", "transformer"),
        ("else", "transformer"),
    ],
)
def test_with_a_transformer(path, constructor):
    recipe = parsed(["--data", path, *BERT])
    assert recipe.encoder == "some/folder"
    assert recipe.batch_size == made(constructor).batch_size
    assert recipe.epochs == made(constructor).epochs


def test_flags_go_before_defaults():
    recipe = parsed(["--data", "cooking", "--epochs", "99"])
    assert recipe.epochs == 99 != made("cooking").epochs
    assert recipe.label_queries == made("cooking").label_queries


def test_name_of_the_built_in_data():
    assert data_name(None) == "python_api"
    assert parsed([]) == made("python_api")
    assert data_name(pathlib.Path("a/b.c")) == "b.c"


def parsed(arguments):
    _, recipe = parse_options("ngame", ngame.Recipe, arguments)
    return recipe


def made(constructor):
    if constructor is None:
        return ngame.Recipe()
    return getattr(ngame.Recipe, constructor)()
