"""Columns that are about a set of images, or about some of the rows."""

import dataclasses

import pytest

from sslrepro import tables
from sslrepro.tables.validate import validate


def test_columns_about_other_images_are_left_out():
    whole = tables.definition("seppid_datasets")
    assert list(whole.on("cifar10").columns) == ["cifar10_e200", "cifar10_e400", "cifar10_e800"]
    assert whole.on("cifar10").effect == whole.effect and whole.on("stl10").effect == ()
    assert list(whole.on("shapes").columns) == list(whole.on("stl10").columns), "the first set stands for others"
    epochs = tables.definition("seppid_epochs")
    assert epochs.on("cifar10") is epochs
    column = epochs.column("e100")
    gain = dataclasses.replace(epochs.column("over_same_100"), of="stl10_e200", minus_row={"seppid": "moco_v2"})
    derived = dataclasses.replace(whole, columns=whole.columns | {"gain": gain, "plain": column})
    assert {"gain", "plain"} & set(derived.on("cifar10").columns) == {"plain"}
    assert {"gain", "plain"} <= set(derived.on("stl10").columns)


def test_the_rows_of_a_column_exist():
    definition = tables.definition("seppid_k")
    column = dataclasses.replace(definition.column("right"), rows=("k1",))
    with pytest.raises(ValueError, match="row of rows must be one of"):
        validate(dataclasses.replace(definition, columns=definition.columns | {"right": column}))
