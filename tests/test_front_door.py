"""The front door: what `import sslrepro` gives, when it is loaded, and that its examples run."""

import doctest
import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sslrepro
from sslrepro.data.dataset import DataConfig
from sslrepro.parts.encoders import encoder
from sslrepro.training.loop import train
from tests import forked
from tests.conftest import tiny

pytestmark = pytest.mark.usefixtures("without_shape_checks")

ROOT = Path(__file__).parent.parent


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_loads_nothing():
    heavy = "[name for name in ('torch', 'numpy', 'matplotlib', 'scipy') if name in sys.modules]"
    assert python(f"import sys, sslrepro; dir(sslrepro); print({heavy})") == "[]"


def test_what_it_advertises_exists_and_is_described():
    assert set(sslrepro.__all__) <= set(dir(sslrepro))
    for name in sslrepro.__all__:
        thing = getattr(sslrepro, name)
        assert callable(thing) and len(thing.__doc__) > 20, name
        assert name in sslrepro.__doc__ or name in ("Results",), name
    with pytest.raises(AttributeError, match="no attribute 'reprodce'; it has .*reproduce"):
        sslrepro.reprodce
    assert "trial" not in sslrepro.__doc__


ORDERS = [
    "import sslrepro.evaluate",
    "from sslrepro import evaluate",
    "import sslrepro.evaluate.knn",
    "from sslrepro.study import run",
    "import sslrepro; sslrepro.evaluate",
]


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(ORDERS, 2))[::3])
def test_evaluate_is_room_and_function_whatever_comes_first(first, second):
    done = forked.run_code(
        f"{first}\n{second}\nimport sslrepro, sslrepro.evaluate.linear\nfrom sslrepro import evaluate\n"
        "import sys\nassert sslrepro.evaluate is evaluate is sys.modules['sslrepro.evaluate']\n"
        "print(callable(evaluate), 'knn' in evaluate.names(), evaluate.linear.__name__)",
        ROOT,
    )
    assert done.stdout.strip() == "True True sslrepro.evaluate.linear", done.stderr


def examples() -> list[tuple[str, object]]:
    out = [("sslrepro", sslrepro)] + [(name, getattr(sslrepro, name)) for name in sslrepro.__all__]
    return [(name, sslrepro.evaluate.frozen_scores if name == "evaluate" else thing) for name, thing in out]


@pytest.mark.parametrize(("name", "thing"), examples(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_examples_run(name, thing):
    home = thing if name == "sslrepro" else importlib.import_module(thing.__module__)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(thing, name, module=False, globs=dict(vars(home)))
    if name in ("reproduce", "Results", "TrainingConfig"):  # their examples are those of the package and of fit
        return
    assert example.examples, f"{name} shows no example"
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example)
    assert result.failed == 0


# --- its functions ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run of a second, in a folder."""
    config = tiny("nnclr")
    folder = tmp_path_factory.mktemp("runs") / config.name
    return folder, train(config, folder, sslrepro.load(config.data)[0])


def test_a_stored_run_is_evaluated_and_embedded_as_the_method_is(stored):
    folder, method = stored
    data = sslrepro.load(tiny("nnclr").data)
    scores = sslrepro.evaluate(method, data, "knn", k=5)
    assert sslrepro.evaluate(folder, None, "knn", k=5) == scores == sslrepro.evaluate(str(folder), data, k=5)
    features = sslrepro.embed(folder, data[1])
    assert features.shape == (48, method.encoder.dim) and features.dtype == torch.float32
    assert torch.equal(features, sslrepro.embed(method, data[1].images, normalise=data[0].mean_std()))
    assert torch.equal(features, sslrepro.embed(method.encoder, data[1], normalise=data[0].mean_std()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sslrepro.evaluate(encoder("conv-tiny")), r"data must be \(train split, test split\), got 'NoneType'"),
        (lambda: sslrepro.evaluate(encoder("conv-tiny"), sslrepro.load("digits"), "kn"), "Did you mean 'knn'"),
        (lambda: sslrepro.evaluate(encoder("conv-tiny"), sslrepro.load("digits"), kk=3), "setting must be one of k"),
        (lambda: sslrepro.evaluate("nowhere"), "run must be a run's folder"),
        (lambda: sslrepro.embed(encoder("conv-tiny"), torch.zeros(2, 3, 8, 8)), "images must be a data set or a uint8"),
        (lambda: sslrepro.load("shpaes"), "Did you mean 'shapes'"),
        (lambda: sslrepro.load("~/no/such/folder"), "folder must be an existing folder"),
        (lambda: sslrepro.load("digits", n_tain=3), "Did you mean 'n_train'"),
    ],
)
def test_wrong_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_folder_is_loaded_by_its_path(tmp_path, monkeypatch):
    from PIL import Image

    for split, label in itertools.product(("train", "test"), ("cat", "dog")):
        folder = tmp_path / "pets" / split / label
        folder.mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (12, 12), (200 if label == "cat" else 20, 30 * number, 0)).save(folder / f"{number}.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    train_set, test_set = sslrepro.load("~/pets", side=8)
    assert train_set.class_names == ("cat", "dog") and test_set.images.shape == (4, 3, 8, 8)
    again, _ = sslrepro.load("pets", root=tmp_path, side=8)
    assert again.fingerprint == train_set.fingerprint
    whole, _ = sslrepro.load(DataConfig("digits", n_train=20))
    assert len(whole) == 20
