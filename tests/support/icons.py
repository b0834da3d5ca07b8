"""Draws the icons of `static` anew from `icon.svg`, for what cannot show an SVG.

.venv/bin/python -m tests.support.icons
"""

import re
import shutil
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.support.servers import ROOT

STATIC = ROOT / "static"
BUBBLE = (STATIC / "icon.svg").read_text()
[GREEN] = re.findall(r'"(#\w+)"', BUBBLE)


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        for size in (192, 512):
            _save(_drawn(page, BUBBLE, size), f"icon-{size}.png")
        _save(_drawn(page, on_a_ground(0.65), 512), "icon-maskable.png")
        _save(_drawn(page, on_a_ground(0.75), 180), "apple-touch-icon.png")
        small, large = (_drawn(page, BUBBLE, size) for size in (16, 32))
        large.save(STATIC / "favicon.ico", append_images=[small], sizes=[small.size, large.size])
        browser.close()


def on_a_ground(scale: float) -> str:
    """The bubble in white on green up to the edges, of which a device cuts off what it likes."""
    start, path, end = re.split(r"(<path.*/>)", BUBBLE.strip())
    move = f"translate(16 16) scale({scale}) translate(-16 -17)"
    return (
        f'{start}<path fill="{GREEN}" d="M0 0h32v32H0z"/><g transform="{move}">{path.replace(GREEN, "#fff")}</g>{end}'
    )


def _drawn(page: Page, svg: str, size: int) -> Image.Image:
    page.set_viewport_size({"width": size, "height": size})
    page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    return Image.open(BytesIO(page.screenshot(omit_background=True)))


def _save(image: Image.Image, name: str) -> None:
    image.quantize(32, Image.Quantize.FASTOCTREE).save(STATIC / name, optimize=True)


if __name__ == "__main__":
    main()
