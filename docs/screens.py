"""Makes the pictures of the terminal dashboard in the README from the real program.

    python docs/screens.py [--bin target/release] [--out docs] [--seconds 60]

Starts a daemon with a folder of its own, lets it remove objects from the photos of benches/photos for a while, and
opens `cleanplate-tui --theme dark` in tmux at 144x42. The captured panes (text with colours, `tmux capture-pane -e`) are
drawn with DejaVu Sans Mono; block and line characters are drawn as shapes, so that they join as in a terminal.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import threading
import time

from PIL import Image, ImageDraw, ImageFont

COLUMNS, ROWS = 144, 42
CELL = (9, 19)  # pixels of a character
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono{}.ttf"
TEXT, GROUND = (200, 204, 212), (22, 24, 29)
LINES = {"─": "lr", "│": "ud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "┃": "ud"}
EIGHTHS_UP = " ▁▂▃▄▅▆▇█"
EIGHTHS_LEFT = " ▏▎▍▌▋▊▉█"


def cells(text):
    """Lines of (character, foreground, background, bold, underlined)."""
    style = {}  # carried from line to line, as tmux writes it
    for line in text.split("\n")[:ROWS]:
        row = []
        for code, char in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b])", line):
            if char:
                fore, back = style.get("fg", TEXT), style.get("bg", GROUND)
                if style.get("reverse"):
                    fore, back = back, fore
                row.append((char, fore, back, style.get("bold", False), style.get("under", False)))
                continue
            numbers = [int(n or 0) for n in code.split(";")]
            while numbers:
                n = numbers.pop(0)
                if n == 0:
                    style = {}
                elif n in (1, 4, 7):
                    style[{1: "bold", 4: "under", 7: "reverse"}[n]] = True
                elif n in (38, 48) and numbers[:1] == [2]:
                    style["fg" if n == 38 else "bg"] = tuple(numbers[1:4])
                    del numbers[:4]
                elif n in (39, 49):
                    style.pop("fg" if n == 39 else "bg", None)
        yield row


def draw(text):
    """The picture of a captured pane."""
    wide, high = CELL
    image = Image.new("RGB", (COLUMNS * wide, ROWS * high), GROUND)
    pen = ImageDraw.Draw(image)
    fonts = [ImageFont.truetype(FONT.format(kind), 15) for kind in ("", "-Bold")]
    for y, row in enumerate(cells(text)):
        for x, (char, fore, back, bold, under) in enumerate(row):
            left, top = x * wide, y * high
            right, bottom = left + wide, top + high
            pen.rectangle((left, top, right - 1, bottom - 1), fill=back)
            middle = (left + wide // 2, top + high // 2)
            if char in "▀▄":
                half = top + high // 2
                pen.rectangle((left, top, right - 1, half) if char == "▀" else (left, half, right - 1, bottom - 1), fill=fore)
            elif char in EIGHTHS_UP[1:]:
                pen.rectangle((left, bottom - round(high * EIGHTHS_UP.index(char) / 8), right - 1, bottom - 1), fill=fore)
            elif char in EIGHTHS_LEFT[1:]:
                pen.rectangle((left, top + 3, left + round(wide * EIGHTHS_LEFT.index(char) / 8) - 1, bottom - 4), fill=fore)
            elif char in LINES:
                ends = {"l": (left, middle[1]), "r": (right, middle[1]), "u": (middle[0], top), "d": (middle[0], bottom)}
                for end in LINES[char]:
                    pen.line((middle, ends[end]), fill=fore, width=3 if char == "┃" else 1)
            elif char != " ":
                pen.text((left, top + 1), char, font=fonts[bold], fill=fore)
            if under:
                pen.line((left, bottom - 2, right, bottom - 2), fill=fore)
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release")
    parser.add_argument("--out", default="docs")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    binaries, out, photos = pathlib.Path(args.bin).resolve(), pathlib.Path(args.out), pathlib.Path("benches/photos").resolve()
    with tempfile.TemporaryDirectory() as folder:
        data, log = f"{folder}/data", open(f"{folder}/log", "w+", encoding="utf-8")
        base = "http://127.0.0.1:18433"
        command = [binaries / "cleanplate", "serve", "--data", data, "--listen", base.removeprefix("http://")]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        tmux = ["tmux", "-L", "screens", "-f", "/dev/null"]
        try:
            while not pathlib.Path(data, "admin.sock").exists():
                time.sleep(0.1)
            time.sleep(2.0)
            key = re.search(r"sk-live-\w+", pathlib.Path(folder, "log").read_text(encoding="utf-8")).group()
            admin = ["curl", "-s", "--unix-socket", f"{data}/admin.sock", "-H", "content-type: application/json"]

            def ask(path, body):
                subprocess.run([*admin, "-d", body, f"http://admin/admin/v1{path}"], check=True, capture_output=True)

            ask("/accounts/1/top-ups", '{"credits":5000,"note":"invoice 2026-118"}')
            for name, credits in (("studio north", 1200), ("web shop", 340), ("archive", 0)):
                ask("/accounts", f'{{"name":"{name}","credits":{credits}}}')
            for account, name in ((2, "retouching"), (3, "product pages"), (3, "newsletter"), (4, "scanner")):
                ask("/keys", f'{{"account_id":{account},"name":"{name}","removals_per_minute":{account * 30}}}')
            ask("/keys/4/revoke", "")

            def post(photo, mask):
                form = ["-F", f"image=@{photos}/{photo}.png", "-F", f"mask=@{photos}/{mask}_mask.png"]
                subprocess.run(["curl", "-s", "-o", "/dev/null", "-H", f"Authorization: Bearer {key}", "-H", "Prefer: respond-async", *form,
                                f"{base}/v1/services/object-removal"], check=True)

            names = sorted(path.stem.removesuffix("_mask") for path in photos.glob("*_mask.png"))
            until = time.monotonic() + args.seconds

            def load():
                turn = 0
                while time.monotonic() < until:
                    post(names[turn % len(names)], names[turn % len(names)])
                    turn += 1
                    time.sleep(1.2 if turn % 12 < 8 else 4.0)

            worker = threading.Thread(target=load)
            worker.start()
            run = f"{binaries}/cleanplate-tui --socket {data}/admin.sock --config /dev/null --theme dark"
            subprocess.run([*tmux, "new-session", "-d", "-s", "t", "-x", str(COLUMNS), "-y", str(ROWS), run], check=True)

            def capture(name, *keys):
                for one in keys:
                    subprocess.run([*tmux, "send-keys", "-t", "t", one], check=True)
                    time.sleep(0.4)
                time.sleep(2.0)
                pane = subprocess.run([*tmux, "capture-pane", "-e", "-p", "-t", "t"], check=True, capture_output=True, text=True).stdout
                draw(pane).quantize(256, dither=Image.Dither.NONE).save(out / f"tui-{name}.png", optimize=True)

            time.sleep(max(0.0, args.seconds - 12.0))
            capture("overview", "1")
            capture("jobs", "2", "j", "j", "Space", "Space")
            worker.join()
            time.sleep(5.0)
            capture("job", "Escape", "G", "Enter")
            capture("keys", "3", "j", "R")
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
