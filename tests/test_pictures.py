"""What becomes of a picture: its pixels upright and small, and nothing else."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from webapp.chats import pictures
from webapp.chats.pictures import Busy, Unreadable
from webapp.chats.records import Picture
from webapp.sentences import Sentence

SECRET = b"Alice was here"
TURNED_RIGHT = 6


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def half_red(mode: str = "RGB", size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def opened(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(picture.content))


def colour(picture: Picture, x: int, y: int) -> tuple[int, ...]:
    found = opened(picture).convert("RGB").getpixel((x, y))
    assert isinstance(found, tuple)
    return tuple(round(value / 64) * 64 for value in found)


RED, BLUE = (256, 0, 0), (0, 0, 256)


def with_everything(kind: str) -> bytes:
    """With all that a camera or a program may say of who made it, where and when."""
    exif = Image.Exif()
    exif[0x0112] = TURNED_RIGHT
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    more: dict[str, object] = {"exif": exif.tobytes(), "icc_profile": SECRET * 10, "xmp": SECRET}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Author", SECRET.decode())
        more["pnginfo"] = info
    if kind == "JPEG":
        more["comment"] = SECRET
    return saved(half_red(), kind, **more) + SECRET


@pytest.mark.parametrize(
    "content",
    [
        saved(half_red(), "PNG"),
        saved(half_red(), "JPEG", quality=95),
        saved(half_red(), "WEBP", lossless=True),
        saved(half_red("P"), "GIF"),
        saved(half_red("P"), "PNG"),
        saved(half_red("RGBA"), "PNG"),
        saved(half_red("RGBA"), "WEBP", lossless=True),
        saved(half_red("CMYK"), "JPEG", quality=95),
        saved(half_red(), "JPEG", quality=95, progressive=True),
        saved(half_red(), "GIF", save_all=True, append_images=[Image.new("RGB", (40, 20), (0, 255, 0))]),
        saved(half_red(), "PNG", save_all=True, append_images=[Image.new("RGB", (40, 20), (0, 255, 0))]),
        saved(half_red(), "WEBP", save_all=True, lossless=True, append_images=[Image.new("RGB", (40, 20))]),
    ],
    ids=[
        "png",
        "jpeg",
        "webp",
        "gif",
        "palette",
        "rgba",
        "webp rgba",
        "cmyk",
        "progressive",
        "gif 2",
        "apng",
        "webp 2",
    ],
)
def test_whatever_it_comes_as_the_first_frame_is_kept_in_its_colours(content: bytes) -> None:
    assert pictures.is_picture(content)
    found = pictures.picture("cat", content)
    assert (found.width, found.height, opened(found).size) == (40, 20, (40, 20))
    assert (colour(found, 5, 10), colour(found, 35, 10)) == (RED, BLUE)
    assert f"image/{str(opened(found).format).lower()}" == found.kind
    assert getattr(opened(found), "n_frames", 1) == 1


def test_sixteen_bits_of_grey_become_eight() -> None:
    image = Image.new("I;16", (2, 1))
    image.putpixel((0, 0), 65535)
    image.putpixel((1, 0), 32768)
    found = opened(pictures.picture("grey", saved(image, "PNG")))
    assert (found.mode, found.getpixel((0, 0)), found.getpixel((1, 0))) == ("L", 255, 128)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_it_is_upright_and_says_nothing_of_who_made_it_and_where(kind: str) -> None:
    content = with_everything(kind)
    assert SECRET in content
    found = pictures.picture("cat", content)
    assert (found.width, found.height) == (20, 40)
    assert (colour(found, 10, 5), colour(found, 10, 35)) == (RED, BLUE)
    assert SECRET not in found.content
    assert not opened(found).getexif()
    assert opened(found).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
@pytest.mark.parametrize("rest", [b"", b"<script>alert(1)</script>", b"\0" * 1000, b"\xff" * 1000, b"%PDF-1.7"])
def test_what_only_begins_like_a_picture_is_damaged(start: bytes, rest: bytes) -> None:
    assert pictures.is_picture(start + rest)
    with pytest.raises(Unreadable, match="is damaged"):
        pictures.picture("cat", start + rest)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_ends_too_early_is_damaged(kind: str) -> None:
    noise = Image.effect_noise((200, 200), 100).convert("RGB")
    content = saved(noise, kind)
    with pytest.raises(Unreadable, match="is damaged"):
        pictures.picture("cat", content[: len(content) // 2])


def test_another_file_behind_a_picture_does_not_come_along() -> None:
    found = pictures.picture("cat", saved(half_red(), "GIF") + b"PK\x03\x04<html><script>alert(1)</script>")
    assert b"script" not in found.content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\0\0\0\x18ftypheic",
        b"BM" + b"\0" * 60,
        b"II*\0",
        b" \x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WAVE",
    ],
)
def test_nothing_else_is_a_picture(content: bytes) -> None:
    assert not pictures.is_picture(content)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(20_000, 1_001), (100_000, 100_000), (2**31 - 1, 1), (1, 20_000_001)])
def test_a_bomb_is_refused_before_it_is_read(width: int, height: int) -> None:
    with pytest.raises(Unreadable, match=f"has {width:,} × {height:,} pixels; at most 20 million are taken") as caught:
        pictures.picture("bomb", bomb(width, height))
    assert isinstance(str(caught.value), Sentence)


def test_a_jpeg_may_be_as_large_as_telephones_make_them() -> None:
    found = pictures.picture("photo", saved(Image.new("RGB", (8000, 6000)), "JPEG"))
    assert (found.kind, found.width, found.height) == ("image/jpeg", 2048, 1536)
    with pytest.raises(Unreadable, match="at most 50 million are taken"):
        pictures.picture("photo", saved(Image.new("L", (8000, 7000)), "JPEG"))


@pytest.mark.parametrize(("size", "smaller"), [((4096, 1024), (2048, 512)), ((10, 9000), (2, 2048))])
def test_what_is_larger_than_models_look_at_is_scaled_down(size: tuple[int, int], smaller: tuple[int, int]) -> None:
    found = pictures.picture("wide", saved(Image.new("RGB", size), "PNG"))
    assert (found.width, found.height) == smaller


def test_a_large_photograph_in_png_becomes_a_jpeg_on_white(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PNG_BYTES", 10)
    found = pictures.picture("clear", saved(Image.new("RGBA", (40, 20), (255, 0, 0, 0)), "PNG"))
    assert (found.kind, opened(found).getpixel((5, 5))) == ("image/jpeg", (255, 255, 255))


def test_who_cannot_wait_for_others_pictures_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "TURN_SECONDS", 0.01)
    with pictures._reading, pytest.raises(Busy):
        pictures.picture("cat", saved(half_red(), "PNG"))


def test_a_fault_gives_the_turn_back() -> None:
    read: Callable[[], Picture] = lambda: pictures.picture("cat", b"GIF89a")  # noqa: E731
    for _ in range(2):
        with pytest.raises(Unreadable):
            read()
    assert not pictures._reading.locked()
