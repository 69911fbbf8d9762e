"""Draw the pictures of the demo's stories, the same each time: `python -m tools.drawings` writes demo/pictures/."""

import io
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw, ImageFilter

FOLDER = Path(__file__).resolve().parent.parent / "demo" / "pictures"
WIDTH, HEIGHT = 1_200, 675
FINE = 2
"""Drawn so many times as large, so that edges become smooth."""
W, H = WIDTH * FINE, HEIGHT * FINE
QUALITY = 80


def dice(seed: int) -> random.Random:
    """Return chance that falls the same each time."""
    return random.Random(seed)  # noqa: S311 - no secret


def sky(*colours: str) -> Image.Image:
    """Return a sheet that turns from one colour into the next, from above."""
    sheet = Image.new("RGB", (1, len(colours)))
    sheet.putdata([ImageColor.getrgb(colour)[:3] for colour in colours])
    return sheet.resize((W, H), Image.Resampling.BICUBIC, box=(0, 0.5, 1, len(colours) - 0.5))


def ridge(sheet: Image.Image, colour: str, *, at: float, height: float, seed: int, waves: int = 4) -> None:
    """Draw a range of hills whose line is about `at` of the height."""
    chance = dice(seed)
    parts = [(chance.uniform(0.6, 1.4) * (2**n), chance.uniform(0, 7), 1 / (1.6**n)) for n in range(waves)]
    line = []
    for x in range(0, W + 1, 8):
        rise = sum(share * math.sin(turns * math.pi * 2 * x / W + shift) for turns, shift, share in parts)
        line.append((x, H * at - H * height * rise / 2))
    ImageDraw.Draw(sheet).polygon([*line, (W, H), (0, H)], fill=colour)


def glow(sheet: Image.Image, colour: str, x: float, y: float, radius: float, *, soft: float = 0.0) -> None:
    """Draw a sun, a moon or a lamp; `soft` is the width of its edge, as a share of the height."""
    mask = Image.new("L", sheet.size)
    ImageDraw.Draw(mask).circle((W * x, H * y), H * radius, fill=255)
    sheet.paste(colour, (0, 0), mask.filter(ImageFilter.GaussianBlur(H * soft)) if soft else mask)


def shape(sheet: Image.Image, colour: str, *points: tuple[float, float]) -> None:
    """Draw a shape by the shares of width and height at which its corners are."""
    ImageDraw.Draw(sheet).polygon([(W * x, H * y) for x, y in points], fill=colour)


def box(sheet: Image.Image, colour: str, left: float, top: float, width: float, height: float, turn: float = 0) -> None:
    """Draw a box, its corners rounded by `turn`, a share of the height."""
    edges = (W * left, H * top, W * (left + width), H * (top + height))
    ImageDraw.Draw(sheet).rounded_rectangle(edges, radius=H * turn, fill=colour)


def stroke(sheet: Image.Image, colour: str, width: float, *points: tuple[float, float]) -> None:
    """Draw a line; its width is a share of the height."""
    line = [(W * x, H * y) for x, y in points]
    ImageDraw.Draw(sheet).line(line, fill=colour, width=max(1, round(H * width)), joint="curve")


def ripples(sheet: Image.Image, colour: str, *, top: float, seed: int, count: int = 70) -> None:
    """Draw light on water, below `top`: longer and farther apart the nearer it is."""
    chance = dice(seed)
    for _number in range(count):
        near = chance.random() ** 1.6
        y, x, length = top + (1 - top) * near, chance.random(), 0.02 + 0.09 * near
        stroke(sheet, colour, 0.002 + 0.003 * near, (x, y), (x + length, y))


def ferry() -> Image.Image:
    """Draw a small blue boat that crosses to an island before sunrise."""
    sheet = sky("#31456b", "#b4788a", "#f3c493", "#f6dcae")
    glow(sheet, "#fbe9c0", 0.68, 0.5, 0.13, soft=0.05)
    glow(sheet, "#fdf3d6", 0.68, 0.5, 0.06)
    ridge(sheet, "#7f7591", at=0.56, height=0.07, seed=3)
    ridge(sheet, "#4c5577", at=0.6, height=0.1, seed=11, waves=3)
    box(sheet, "#3d5a80", 0, 0.6, 1, 0.4)
    ripples(sheet, "#c9a59a", top=0.61, seed=5)
    ripples(sheet, "#6e86a6", top=0.63, seed=6)
    shape(sheet, "#1d4e89", (0.24, 0.72), (0.56, 0.72), (0.525, 0.8), (0.275, 0.8))
    shape(sheet, "#f2efe6", (0.24, 0.72), (0.56, 0.72), (0.555, 0.735), (0.2455, 0.735))
    box(sheet, "#f2efe6", 0.3, 0.62, 0.2, 0.1, 0.01)
    for at in range(5):
        box(sheet, "#f4b860", 0.312 + at * 0.0375, 0.642, 0.024, 0.035, 0.005)
    box(sheet, "#1d4e89", 0.285, 0.6, 0.23, 0.022, 0.008)
    stroke(sheet, "#20304d", 0.006, (0.4, 0.6), (0.4, 0.47))
    for tip in ((0.24, 0.72), (0.56, 0.72)):
        stroke(sheet, "#20304d", 0.0025, (0.4, 0.48), tip)
    for side in (-1, 1):  # Outriggers, as boats there have them.
        stroke(sheet, "#e7dcc3", 0.007, (0.4 + side * 0.19, 0.815), (0.4 + side * 0.04, 0.815))
        stroke(sheet, "#e7dcc3", 0.005, (0.4 + side * 0.11, 0.73), (0.4 + side * 0.13, 0.815))
    return sheet


def gate() -> Image.Image:
    """Draw rice fields by a canal, and the gate that keeps the salt water out."""
    sheet = sky("#8fc1c9", "#d8e6d0", "#f4ecd0")
    glow(sheet, "#fff7df", 0.2, 0.2, 0.07, soft=0.02)
    ridge(sheet, "#8aa98a", at=0.42, height=0.03, seed=8)
    greens = ("#9dbb5c", "#86ab4c", "#a9c268", "#769c43", "#93b455")
    for row in range(9):
        top = 0.43 + 0.57 * (row / 9) ** 1.5
        shape(sheet, greens[row % 5], (0, top), (0.47 - row * 0.012, top), (0.1 - row * 0.05, 1), (0, 1))
        shape(sheet, greens[(row + 2) % 5], (1, top), (0.53 + row * 0.012, top), (0.9 + row * 0.05, 1), (1, 1))
    shape(sheet, "#5f9ea0", (0.47, 0.43), (0.53, 0.43), (0.86, 1), (0.14, 1))
    for at in range(8):
        y = 0.62 + at * 0.05
        half = 0.03 + (at * 37 % 5) * 0.02
        stroke(sheet, "#8fc1c3", 0.004, (0.5 - half, y), (0.52 + half * (at % 3) / 2, y))
    shape(sheet, "#c8bfae", (0.27, 0.36), (0.33, 0.36), (0.33, 0.72), (0.27, 0.72))
    shape(sheet, "#c8bfae", (0.67, 0.36), (0.73, 0.36), (0.73, 0.72), (0.67, 0.72))
    box(sheet, "#a89d8a", 0.25, 0.3, 0.5, 0.07, 0.01)
    box(sheet, "#7a4b32", 0.335, 0.47, 0.33, 0.24)
    for at in range(1, 6):
        stroke(sheet, "#5d3724", 0.006, (0.335 + at * 0.055, 0.47), (0.335 + at * 0.055, 0.71))
    stroke(sheet, "#4a4a4a", 0.012, (0.5, 0.2), (0.5, 0.47))
    for turn in range(0, 180, 30):
        x, y = 0.045 * math.cos(math.radians(turn)), 0.08 * math.sin(math.radians(turn))
        stroke(sheet, "#b3392f", 0.01, (0.5 - x, 0.19 - y), (0.5 + x, 0.19 + y))
    return sheet


def train() -> Image.Image:
    """Draw a slow green train in the snow at nightfall, its windows lit."""
    sheet = sky("#1d2744", "#3d4a72", "#8d84a3", "#d9b7a8")
    ridge(sheet, "#6b6f93", at=0.56, height=0.16, seed=21)
    ridge(sheet, "#b9bfd4", at=0.66, height=0.1, seed=22)
    box(sheet, "#e6e9f2", 0, 0.72, 1, 0.28)
    stroke(sheet, "#7c809c", 0.008, (0, 0.795), (1, 0.795))
    for at in range(3):
        left = -0.1 + at * 0.4
        box(sheet, "#2c5a44", left, 0.53, 0.385, 0.23, 0.015)
        box(sheet, "#e3c565", left, 0.685, 0.385, 0.012)
        box(sheet, "#22352f", left + 0.01, 0.505, 0.365, 0.04, 0.02)
        for window in range(6):
            box(sheet, "#ffdf8e", left + 0.03 + window * 0.057, 0.575, 0.038, 0.075, 0.008)
        for wheel in (0.06, 0.11, 0.27, 0.32):
            glow(sheet, "#20242f", left + wheel, 0.775, 0.022)
    for x in (0.0765, 0.1035):  # Two geese look out.
        stroke(sheet, "#f7f5ee", 0.012, (x, 0.65), (x + 0.002, 0.61), (x + 0.005, 0.6))
        shape(sheet, "#dd8a2f", (x + 0.006, 0.595), (x + 0.013, 0.603), (x + 0.006, 0.607))
    chance = dice(4)
    for _flake in range(260):
        x, y, size = W * chance.random(), H * chance.random(), H * chance.uniform(0.003, 0.01)
        ImageDraw.Draw(sheet).ellipse((x, y, x + size, y + size), fill="#f4f6fb")
    return sheet


def steppe() -> Image.Image:
    """Draw horses on the steppe below a radio mast, at dusk."""
    sheet = sky("#27355c", "#7d6f93", "#e8a77c", "#f7d9a0")
    chance = dice(9)
    for _star in range(90):
        x, y = W * chance.random(), H * 0.35 * chance.random()
        ImageDraw.Draw(sheet).ellipse((x, y, x + 5, y + 5), fill="#e9e4f0")
    ridge(sheet, "#a3735f", at=0.68, height=0.05, seed=31)
    ridge(sheet, "#6f5a4a", at=0.76, height=0.06, seed=32, waves=3)
    stroke(sheet, "#33292b", 0.006, (0.78, 0.76), (0.8, 0.26), (0.82, 0.76))
    for at in range(8):
        y = 0.72 - at * 0.055
        half = 0.0185 * (y - 0.26) / 0.5
        stroke(
            sheet, "#33292b", 0.003, (0.8 - half, y), (0.8 + half, y - 0.05), (0.8 - half, y - 0.05), (0.8 + half, y)
        )
    glow(sheet, "#f2574a", 0.8, 0.255, 0.012, soft=0.006)
    ridge(sheet, "#463c36", at=0.86, height=0.05, seed=33, waves=3)
    for x, size, way in ((0.2, 1.0, 1), (0.36, 0.8, -1), (0.5, 0.65, 1)):
        horse(sheet, x, 0.86, size, way)
    return sheet


def horse(sheet: Image.Image, x: float, ground: float, size: float, way: int) -> None:
    """Draw a horse that stands at `x` and looks to the right, or to the left with a `way` of -1."""

    def spot(across: float, up: float) -> tuple[float, float]:
        return x + way * across * size * 0.1, ground - up * size * 0.1

    colour = "#1f1a1c"
    body = ((-0.7, 0.95), (-0.62, 1.35), (0.4, 1.4), (0.75, 2.05), (0.95, 2.2), (1.3, 1.85), (1.2, 1.7))
    shape(sheet, colour, *(spot(*one) for one in (*body, (0.98, 1.72), (0.75, 1.0), (0.6, 0.8), (-0.5, 0.85))))
    for leg in (-0.6, -0.42, 0.4, 0.6):
        stroke(sheet, colour, 0.011 * size, spot(leg, 0.95), spot(leg + 0.03, -0.1))
    stroke(sheet, colour, 0.013 * size, spot(-0.66, 1.3), spot(-0.92, 0.95), spot(-0.95, 0.5))


def paper() -> Image.Image:
    """Draw sheets of mulberry paper that dry on lines before hills."""
    sheet = sky("#b9d2d8", "#e7e6d6", "#f3e6c6")
    ridge(sheet, "#9db5a5", at=0.5, height=0.2, seed=41)
    ridge(sheet, "#6f927c", at=0.66, height=0.12, seed=42)
    ridge(sheet, "#c9b98b", at=0.84, height=0.03, seed=43)
    for row, (y, height) in enumerate(((0.34, 0.2), (0.5, 0.29))):
        shift = row * 0.03
        for post in (0.04 + shift, 0.5, 0.96 - shift):
            stroke(sheet, "#6a4d36", 0.013, (post, y - 0.03), (post, 0.9))
        stroke(sheet, "#6a4d36", 0.006, (0.02, y), (0.98, y))
        for at in range(8 - row):
            left, lean = 0.06 + shift + at * (0.113 + row * 0.013), 0.006 * math.sin(at * 2 + row)
            right, bottom = left + 0.09 + row * 0.012, y + height
            tone = ("#fbf7ea", "#f5efdc", "#fffdf5")[(at + row) % 3]
            shape(sheet, tone, (left, y), (right, y), (right + lean, bottom), (left + lean, bottom + lean))
    return sheet


def soap() -> Image.Image:
    """Draw towers of soap that dry in a vault, green and gold."""
    sheet = sky("#2c241f", "#4a3b30", "#6a543f")
    for at in range(3):
        centre = 0.17 + at * 0.33
        glow(sheet, "#8a6f50", centre, 0.5, 0.27)
        box(sheet, "#8a6f50", centre - 0.152, 0.5, 0.304, 0.5)
        glow(sheet, "#c9a467", centre, 0.3, 0.05, soft=0.03)
    box(sheet, "#3a2f27", 0, 0.88, 1, 0.12)
    tones = ("#9a9a4a", "#b39b4b", "#85904a", "#c2a656", "#a48f45")
    chance = dice(7)
    for tower in range(6):
        centre, rows = 0.09 + tower * 0.165, 9 + tower % 2 * 2
        for row in range(rows):
            each = max(1, 4 - row * 4 // (rows + 1))
            for brick in range(each):
                left = centre + (brick - each / 2) * 0.038 + (row % 2) * 0.006 - 0.003
                box(sheet, chance.choice(tones), left, 0.86 - row * 0.05, 0.036, 0.044, 0.006)
                box(sheet, "#6d6a33", left + 0.01, 0.876 - row * 0.05, 0.016, 0.008, 0.003)
    return sheet


def apples() -> Image.Image:
    """Draw apple trees on terraces, the higher the younger, below white mountains."""
    sheet = sky("#5f93c4", "#a9cbe0", "#e9efe6")
    ridge(sheet, "#f4f6f8", at=0.36, height=0.3, seed=58, waves=6)
    ridge(sheet, "#a7a9b5", at=0.5, height=0.14, seed=52, waves=5)
    ridge(sheet, "#b9976a", at=0.58, height=0.06, seed=53)
    chance = dice(12)
    for row in range(4):
        top, size = 0.6 + row * 0.11, 0.035 + row * 0.02
        ridge(sheet, ("#a98a5f", "#9a8a55", "#8c8a4d", "#7a8346")[row], at=top, height=0.02, seed=60 + row, waves=2)
        for tree in range(9 - row):
            x = (tree + 0.5 + (row % 2) * 0.3) / (9 - row)
            stroke(sheet, "#5a4330", size * 0.2, (x, top + 0.02), (x, top - size * 1.3))
            for dx, dy in ((-0.5, 1.5), (0.5, 1.5), (0, 2.1), (0, 1.4)):
                glow(sheet, "#4f7a3a", x + dx * size * 0.5625, top - dy * size, size * 0.75)
            for _apple in range(2 + row * 3):
                across, up = chance.uniform(-0.8, 0.8), chance.uniform(1.0, 2.4)
                glow(sheet, "#c8352e", x + across * size * 0.5625, top - up * size, 0.006 + row * 0.0015)
    return sheet


def drawers() -> Image.Image:
    """Draw the wall of drawers of an old pharmacy, and a pair of scales before it."""
    sheet = sky("#4a2f22", "#5b3a29", "#4a2f22")
    for row in range(6):
        for column in range(12):
            left, top = 0.012 + column * 0.0823, 0.03 + row * 0.118
            box(sheet, "#8a5a3a" if (row * 7 + column * 3) % 5 else "#97653f", left, top, 0.0745, 0.1, 0.006)
            glow(sheet, "#d9b36a", left + 0.037, top + 0.06, 0.011)
            box(sheet, "#e9d9b6", left + 0.022, top + 0.014, 0.03, 0.022)
    box(sheet, "#2e1d15", 0, 0.8, 1, 0.2)
    box(sheet, "#6d4630", 0, 0.78, 1, 0.045)
    stroke(sheet, "#e2c27c", 0.014, (0.5, 0.78), (0.5, 0.3))
    stroke(sheet, "#e2c27c", 0.011, (0.3, 0.36), (0.5, 0.33), (0.7, 0.3))
    box(sheet, "#e2c27c", 0.44, 0.755, 0.12, 0.03, 0.01)
    for x, y in ((0.3, 0.36), (0.7, 0.3)):
        for side in (-0.07, 0.07):
            stroke(sheet, "#e2c27c", 0.003, (x, y), (x + side, y + 0.22))
        mask = Image.new("L", sheet.size)
        ImageDraw.Draw(mask).chord((W * (x - 0.08), H * (y + 0.13), W * (x + 0.08), H * (y + 0.31)), 0, 180, fill=255)
        sheet.paste("#e2c27c", (0, 0), mask)
    for at in range(7):
        glow(sheet, "#7d8f4a", 0.255 + at * 0.015, 0.565 - 0.012 * (at % 2), 0.017)
    box(sheet, "#b98f3e", 0.685, 0.47, 0.03, 0.05, 0.006)
    return sheet


DRAWN: Mapping[str, Callable[[], Image.Image]] = {
    one.__name__: one for one in (ferry, gate, train, steppe, paper, soap, apples, drawers)
}


def file_of(name: str) -> bytes:
    """Return a picture as a JPEG that says nothing but itself."""
    file, small = io.BytesIO(), DRAWN[name]().resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    small.save(file, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return file.getvalue()


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name in DRAWN:
        (FOLDER / f"{name}.jpg").write_bytes(file_of(name))


if __name__ == "__main__":
    main()
