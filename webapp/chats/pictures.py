"""Pictures that people send, written anew: what is kept is their pixels, and nothing that came with them."""

from io import BytesIO
from threading import Lock

from PIL import GifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from ..sentences import Sentence
from .records import Picture

JPEG, WEBP = JpegImagePlugin.JpegImageFile.format, WebPImagePlugin.WebPImageFile.format
# By content: what a client calls a file counts for nothing.
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile.format,
    b"\xff\xd8\xff": JPEG,
    b"GIF87a": GifImagePlugin.GifImageFile.format,
    b"GIF89a": GifImagePlugin.GifImageFile.format,
}
FORMATS = Sentence("PNG, JPEG, GIF and WebP")

MEGAPIXELS = 20  # 350 MB while it is read
JPEG_MEGAPIXELS = 50  # as many as a telephone takes; a JPEG is scaled down while it is read
LONGEST_SIDE = 2048  # models scale down what is larger
PNG_BYTES = 2_000_000  # a PNG that is larger is a photograph
QUALITY = 88
TURN_SECONDS = 10.0
WHITE = (255, 255, 255, 255)

Image.MAX_IMAGE_PIXELS = None  # ours is asked before anything is decoded, and does not warn

_reading = Lock()


class Unreadable(Exception):
    """This is no picture that is taken; `str(error)` says what is wrong with it, as the end of a sentence."""


class Busy(Exception):
    """Others send pictures that take long to read."""


def is_picture(content: bytes) -> bool:
    return bool(_format(content))


def picture(name: str, content: bytes) -> Picture:
    """The first frame, upright and at most `LONGEST_SIDE` wide and high. One at a time, for memory's sake.

    Raises `Unreadable` and `Busy`.
    """
    if not _reading.acquire(timeout=TURN_SECONDS):
        raise Busy
    try:
        image = _small(content)
        kind, written = _written(image, was_jpeg=_format(content) == JPEG)
    except Unreadable:
        raise
    except Exception as error:  # each format has its own, and each is the file's fault
        raise Unreadable(Sentence("is damaged")) from error
    finally:
        _reading.release()
    return Picture(name, kind, written, *image.size)


def _format(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WEBP
    return next((name for start, name in SIGNATURES.items() if content.startswith(start)), None)


def _small(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content), formats=[str(_format(content))]) as image:
        most = JPEG_MEGAPIXELS if _format(content) == JPEG else MEGAPIXELS
        if image.width * image.height > most * 1_000_000:
            raise Unreadable(
                Sentence(
                    "has {width} × {height} pixels; at most {most} million are taken",
                    width=image.width,
                    height=image.height,
                    most=most,
                )
            )
        image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG need not be read whole
        image.load()
        plain = _plain(image)
        plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        upright = ImageOps.exif_transpose(plain)
    return Image.frombytes(upright.mode, upright.size, upright.tobytes())  # no profile, no comment, no text


def _plain(image: Image.Image) -> Image.Image:
    """In 8 bits, grey or in colours, with transparency if it has any."""
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return _in_mode("RGBA", image)
    return _in_mode("L" if image.mode in ("1", "L") else "RGB", image)


def _in_mode(mode: str, image: Image.Image) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _written(image: Image.Image, was_jpeg: bool) -> tuple[str, bytes]:
    """Its media type and its content: PNG, or JPEG where it came as one or would be large."""
    if not was_jpeg and len(png := _saved(image, "PNG")) <= PNG_BYTES:
        return "image/png", png
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image).convert("RGB")
    return "image/jpeg", _saved(image, "JPEG", quality=QUALITY)


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
