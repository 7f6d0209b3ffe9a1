"""Gray and colour images are read, also as arrays; other numbers of channels are refused by name, none is dropped."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from sslrepro.data.decode import decode, images_under
from sslrepro.own.images import survey

RNG = np.random.default_rng(0)


def write_tiff(path: Path, bands: int, meaning: int, extra: tuple[int, ...] = ()) -> np.ndarray:
    """A TIFF of 9x8 px with uint8 bands, of which `extra` are no colours (0: anything, 2: transparency)."""
    pixels = RNG.integers(0, 256, (8, 9, bands), dtype=np.uint8)
    tags = {256: (9,), 257: (8,), 258: (8,) * bands, 259: (1,), 262: (meaning,), 273: (0,), 277: (bands,), 278: (8,),
            279: (pixels.nbytes,), 338: extra}  # fmt: skip
    tags = {tag: values for tag, values in tags.items() if values}
    start, apart, lines = 8 + 2 + 12 * len(tags) + 4, b"", []
    for tag, values in tags.items():
        field = struct.pack(f"<{len(values)}H", *values)
        if len(field) > 4:
            field, apart = struct.pack("<I", start + len(apart)), apart + field
        lines.append((tag, 3, len(values), field.ljust(4, b"\0")))
    strip = struct.pack("<I", start + len(apart))
    body = b"".join(struct.pack("<HHI", tag, kind, n) + (strip if tag == 273 else f) for tag, kind, n, f in lines)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    path.write_bytes(head + body + bytes(4) + apart + pixels.tobytes())
    return pixels


@pytest.mark.parametrize(
    ("bands", "meaning", "extra"), [(1, 1, ()), (2, 1, (2,)), (3, 2, ()), (4, 2, (2,)), (4, 5, ())]
)
def test_gray_colour_and_transparency_are_read(tmp_path, bands, meaning, extra):
    pixels = write_tiff(tmp_path / "a.tif", bands, meaning, extra)
    image = decode(tmp_path / "a.tif", 8)
    assert image.shape == (3, 8, 8)
    if bands in (1, 3):
        assert torch.equal(image, torch.from_numpy(pixels).permute(2, 0, 1).expand(3, 8, 9)[:, :, :8])


@pytest.mark.parametrize(("bands", "meaning"), [(2, 1), (4, 2), (4, 1), (5, 2), (12, 1)])
def test_bands_that_are_no_colours_are_refused_in_one_line(tmp_path, bands, meaning, capfd):
    write_tiff(tmp_path / "a.tif", bands, meaning, (0,) * (bands - (1 if meaning == 1 else 3)))
    with pytest.raises(
        ValueError, match=rf"channels of .*a\.tif must be 1 \(gray\) or 3 .*, got {bands}\. Views change"
    ):
        decode(tmp_path / "a.tif", 8)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8), (8, 8, 3), (3, 8, 8)])
def test_arrays_are_read(tmp_path, shape):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    rows = array[None] if array.ndim == 2 else array if shape[0] in (1, 3) else array.transpose(2, 0, 1)
    assert torch.equal(decode(tmp_path / "a.npy", 8), torch.from_numpy(rows.copy()).expand(3, 8, 8))


def test_16_bit_gray_arrays_are_scaled(tmp_path):
    array = RNG.integers(0, 256, (8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", array.astype(np.uint16) * 257)
    assert torch.equal(decode(tmp_path / "a.npy", 8)[0], torch.from_numpy(array))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((20, 30, 2), np.uint8), r"3 \(red, green, blue\), got 2"),
        (np.zeros((20, 30, 4), np.uint8), r"3 \(red, green, blue\), got 4"),
        (np.zeros((12, 20, 30), np.uint8), r"3 \(red, green, blue\), got 12"),
        (np.zeros((20, 30)), "must be of uint8 values, or uint16 gray, got 'float64'. Save it with 8 or 16"),
        (np.zeros(4, np.uint8), r"must be an array \[h w\], \[h w c\] or \[c h w\], got \[4\]"),
        (np.array([{}]), "cannot be read"),
    ],
)
def test_other_arrays_are_refused_in_one_line(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=said) as error:
        decode(tmp_path / "a.npy", 8)
    assert "\n" not in str(error.value)


def test_arrays_beside_images_are_no_images(tmp_path):
    for n in range(8):
        np.save(tmp_path / f"{n}.npy", np.full((20, 30, 3), n, np.uint8))
    assert survey(tmp_path).words == "8 images (8 npy), 20 px"
    write_tiff(tmp_path / "a.tif", 3, 2)
    assert [path.name for path in images_under(tmp_path)] == ["a.tif"]
