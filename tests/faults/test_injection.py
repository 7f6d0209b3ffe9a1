"""Text from outside: bundles, records, names of sets and classes never speak HTML, and no record is taken for another."""

import io
import json
import tarfile
from dataclasses import asdict

import pytest
from PIL import Image

from sslrepro import evaluate
from sslrepro.data.dataset import set_name
from sslrepro.embeddings import player
from sslrepro.explore.own_images import load
from sslrepro.study import bundles, ledger, plans
from sslrepro.study.run import Run, name_of, require_record
from tests.conftest import tiny

EVIL = ['<script>alert("x")</script>', "<img src=x onerror=alert(1)>", "a&b<c", "<!--<script>"]


def record_of(config) -> dict:
    line = {"key": "training", "evaluation": "training", "scores": {"seconds": 1.0, "steps": 20}}
    environment = {"commit": "c0ffee", "device": "a processor", "dirty": False}
    return {"config": asdict(config), "environment": environment, "results": {"training": line}}


def edited(record: dict, path: tuple[str, ...], value: object) -> dict:
    *above, last = path
    copy = inner = json.loads(json.dumps(record))
    for name in above:
        inner = inner[name]
    inner[last] = value
    return copy


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    return tmp_path


def bundle(here, files: dict[str, object]):
    path = here / "bundle.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name, value in files.items():
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


PATHS = [
    ("environment", "device"),
    ("environment", "commit"),
    ("environment", "more"),
    ("results", "training", "note"),
    ("results", "training", "protocol"),
    ("config", "method"),
    ("config", "encoder"),
    ("config", "data", "name"),
    ("config", "data", "fingerprint"),
    ("config", "views", "recipe"),
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_no_text_of_a_record_holds_html(path, evil, here, without_shape_checks):
    config = tiny()
    record = edited(record_of(config), path, evil)
    file = bundle(here, {f"cpu/{config.name}.json": record, "cpu/data.json": {"shapes": "0"}})
    with pytest.raises(ValueError, match=r"^ledger\.import: ") as told:
        bundles.import_bundle(file)
    assert "\n" not in str(told.value) and not (here / "ledger").exists(), "all or nothing"
    if evil != "a&b<c" or path[0] != "environment":  # nor one that came another way
        with pytest.raises(ValueError):
            require_record(record, config.name, "record", "test")


OTHER_FILES = [
    ("cpu/data.json", {"<b>": "x"}), ("cpu/data.json", {"shapes": "<b>"}), ("cpu/data.json", {"shapes": 5}),
    ("cpu/data.json", []), ("cpu/logs/x.jsonl", {"<b>": 1}), ("cpu/logs/x.jsonl", b"{"), ("cpu/logs/x.jsonl", b"[]\n"),
    ("../x.json", {}), ("/x.json", {}), ("cpu/.x.json", {}), ("cpu/<b>.json", {}), ("cpu/x.html", {}), ("x.json", {}),
    ("cpu/logs/../../x.json", {}), ("cpu/x.json", b"[" * 100_000), ("cpu/x.json", b"9" * 5000), ("cpu/x.json", {}),
]  # fmt: skip


@pytest.mark.parametrize("name, value", OTHER_FILES)
def test_other_files_of_a_bundle(name, value, here):
    config = tiny()
    file = bundle(here, {f"cpu/{config.name}.json": record_of(config), name: value})
    with pytest.raises(ValueError, match=r"^ledger\.import: "):
        bundles.import_bundle(file)
    assert not (here / "ledger").exists()


def test_a_good_bundle_is_taken(here):
    config = tiny()
    assert bundles.import_bundle(bundle(here, {f"cpu/{config.name}.json": record_of(config)}))["new"] == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_a_bundle_holds_files_alone(kind, here):
    with tarfile.open(here / "bundle.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("cpu/x.json")
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    with pytest.raises(ValueError, match=r"ledger\.import: member must be"):
        bundles.import_bundle(here / "bundle.tar.gz")


# --- a record is that of its configuration ----------------------------------------------------------------------


@pytest.mark.parametrize("change", [
    {"config": {"pixels": {"name": "shapes"}}}, {"config": {"pixels": "all"}}, {"config": {"pixels": {}, "method": "nnclr"}},
    {"config": {}}, {"config": asdict(tiny("simclr"))}, {"config": asdict(tiny(seed=1))}, {"config": None},
    {"results": {"knn": {"key": "linear", "evaluation": "knn", "scores": {}}}}, {"results": {"knn": 0.9}}, {"results": 3},
    {"results": {"knn": {"key": "knn", "evaluation": "knn", "scores": {"knn_top1": "0.9"}}}}, {"environment": "mine"},
])  # fmt: skip
@pytest.mark.parametrize("way", ["ledger", "bundle"])
def test_what_says_it_is_a_run_and_is_not(way, change, here, without_shape_checks):
    config = tiny()
    record = record_of(config) | change
    if way == "bundle":
        with pytest.raises(ValueError, match=r"ledger\.import"):
            bundles.import_bundle(bundle(here, {f"cpu/{config.name}.json": record}))
        assert not (here / "ledger").exists()
        return
    plan = plans.plan_table("nnclr_queue", "cpu", 1)
    plan.ledger.mkdir(parents=True)
    (plan.ledger / f"{config.name}.json").write_text(json.dumps(record))
    run = Run(config.data, 0, {"knn": evaluate.protocol("knn", {})}, config)
    with pytest.raises(ValueError, match=r"^ledger: ") as told:
        ledger.published_record(run, plan)
    assert config.name in str(told.value)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*EVIL, "a/b", "..", ".hidden", "", "a\nb", "a\u2028b", "x" * 101, 'a"b', "a`b", "a{b}"]
)
def test_a_set_has_a_plain_name(name):
    with pytest.raises(ValueError, match=r"^data: name must be"):
        set_name(name)


def test_class_names_reach_a_page_as_data_alone(tmp_path):
    """Folders may be called anything: the player's data cannot end its script, nor begin another."""
    evil = ["<img src=x onerror=alert(1)>", "<!--<script>alert(1)"]
    for split in ("train", "test"):
        for number, label in enumerate(evil):
            (tmp_path / "pictures" / split / label).mkdir(parents=True)
            Image.new("RGB", (8, 8), (90 * number, 9, 9)).save(tmp_path / "pictures" / split / label / "0.png")
    train, _ = load(tmp_path / "pictures", side=8)
    assert sorted(train.class_names) == sorted(evil)
    data = player.script_data({"classes": list(train.class_names), "end": "</script>"})
    assert json.loads(data)["classes"] == list(train.class_names) and "<" not in data


def test_pixels_have_no_other_settings():
    """The name tells of the images alone: whatever else a configuration says would be taken unread."""
    config = {"pixels": asdict(tiny().data)}
    name = name_of(json.dumps(config), "pixels-shapes-s0-0")
    assert name.startswith("pixels-shapes-s0-")
    with pytest.raises(ValueError, match=r"configuration must be of pixels alone, got \['more', 'pixels'\]"):
        name_of(json.dumps(config | {"more": 1}), name)
