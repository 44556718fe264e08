"""Cases with a known truth: cut-out objects with soft shadows pasted onto photos; and real removals, which have none.

A case is a dictionary: name, group (the photo it comes from: cases of one photo are resampled together), photo u8 [H, W, 3] RGB as a
user would send it, mask u8 [H, W] (255 = remove), truth (the photo without the object, or None), published (name -> picture).
Everything follows from the case's name and SEED: the same folders give the same cases on every machine.
"""

import hashlib
import pathlib

import cv2
import numpy as np

SEED = 1
#: Photographs among Debian's wallpaper packages (lomiri-wallpapers-16.04, -20.04, mate-backgrounds, plasma-workspace-wallpapers).
#: Left out: renderings, and those that are among the real removals.
WALLPAPERS = """Bridge_by_Sander_Klootwijk.jpg Dragonfly_by_Bolly.jpg Picture_0B_by_freespace.jpg aitzgorri_by_Aitzol_Berasategi.jpg
free_by_Peter_Nerlich.jpg greentock_by_Peter_Nerlich.jpg life_by_Aitzol_Berasategi.jpg picosdeeuropa_by_Aitzol_Berasategi.jpg
seeding_by_Clements_Engelhardt.jpg sunset_by_Aitzol_Berasategi.jpg Kleiber_by_Lukas_Baubkus.jpg nature/Aqua.jpg nature/Blinds.jpg
nature/Dune.jpg nature/Garden.jpg nature/RainDrops.jpg nature/Storm.jpg nature/TwoWings.jpg nature/Wood.jpg nature/YellowFlower.jpg
BytheWater/contents/images/2560x1600.jpg ColdRipple/contents/images/2560x1600.jpg FallenLeaf/contents/images/2560x1600.jpg
Grey/contents/images/2560x1600.jpg Kite/contents/images/2560x1600.jpg OneStandsOut/contents/images/2560x1600.jpg
Path/contents/images/2560x1600.jpg summer_1am/contents/images/2560x1600.jpg""".split()
#: Photographs of the same packages and of Debian's palapeli-data that joined after every choice had been made.
FRESH = """Wine_by_Jakkub_Mede.jpg friends_by_Aitzol_Berasategi.jpg nature/GreenMeadow.jpg nature/FreshFlower.jpg
DarkestHour/contents/images/2560x1600.jpg collection/cincinnati-bridge.jpg collection/european-honey-bee.jpg
collection/panther-chameleon-female.jpg collection/castle-maintenon.jpg collection/citrus-fruits.jpg""".split()
#: Held-out photos with label maps that nobody has looked at and that are large enough.
FRESH_HELDOUT = """00020_coco_tiny_zz 00025_coco_mini 00133_coco_mini 00330_coco_mini 00372_coco_mini 00450_coco_mini 00564_coco_tiny_zz
00583_coco_mini""".split()
#: Held-out sets on which parameters were tuned (Kodak; LIVE shares its photos) or whose photos are noisy.
SETS_LEFT_OUT = ("kodak24", "live1", "feral_cats")
#: Smaller photos are no cases.
LONG_PX_MIN = 512
#: Of photos that have label maps this many are pasted onto; the others are kept for judging real masks.
WITH_LABELS = 20
#: The object's longer side as a share of the photo's shorter one.
OBJECT_SHARE = (0.2, 0.5)
#: Where a shadow darkens by more than this, the mask has it.
SHADOW_MASKED = 0.12


def generator(name):
    """Random numbers that depend on the name alone."""
    return np.random.default_rng([SEED, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")])


def read(file, flags=cv2.IMREAD_COLOR):
    """A picture as RGB (or RGBA, or as stored if it has one channel)."""
    picture = cv2.imread(str(file), flags)
    if picture is None:
        raise SystemExit(f"{file} cannot be read as a picture")
    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def within(picture, long_px):
    """The middle of the picture at `long_px` on its longer side, made of at least as many pixels: averaged down, then cut."""
    height, width = picture.shape[:2]
    if max(height, width) >= 1.9 * long_px or max(height, width) < long_px:
        scale = min(long_px / max(height, width), 1)
        return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    h, w = min(height, long_px * 3 // 4), min(width, long_px)
    y, x = (height - h) // 2, (width - w) // 2
    return np.ascontiguousarray(picture[y : y + h, x : x + w])


def composed(truth, cutout, rng):
    """The truth with an object and its soft shadow; the object's alpha and the share of the light that the shadow takes, f32 [H, W]."""
    height, width = truth.shape[:2]
    side = rng.uniform(*OBJECT_SHARE) * min(height, width)
    scale = side / max(cutout.shape[:2])
    size = [max(round(n * scale), 8) for n in cutout.shape[1::-1]]
    small = cv2.resize(cutout, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        small = small[:, ::-1]
    h, w = small.shape[:2]
    edge = 0.04 * min(height, width)
    x = int(rng.uniform(edge, width - w - edge))
    y = int(rng.uniform(max(edge, 0.15 * height), max(height - h - edge, 0.15 * height + 1)))
    y = min(y, height - h - 1)
    alpha = np.zeros((height, width), np.float32)
    object_rgb = np.zeros((height, width, 3), np.float32)
    alpha[y : y + h, x : x + w] = small[..., 3] / 255
    object_rgb[y : y + h, x : x + w] = small[..., :3]
    # The shadow: the object laid flat about its foot and leaning, blurred; it is darkest at the foot.
    flat, lean = rng.uniform(0.15, 0.45), rng.uniform(-0.6, 0.6)
    foot = y + h
    turn = np.array([[1, lean, -lean * foot], [0, flat, foot * (1 - flat) - 0.02 * h]], np.float32)
    cast = cv2.warpAffine(alpha, turn, (width, height), flags=cv2.INTER_LINEAR)
    cast = cv2.GaussianBlur(cast, (0, 0), max(rng.uniform(0.02, 0.06) * side, 1))
    darkening = rng.uniform(0.25, 0.6) * cast
    lit = truth * (1 - darkening[..., None])
    photo = alpha[..., None] * object_rgb + (1 - alpha[..., None]) * lit
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8), alpha, darkening


def paste(truth, cutout, rng):
    """The truth with an object and its soft shadow, and the mask that a user would draw."""
    photo, alpha, darkening = composed(truth, cutout, rng)
    mask = (alpha > 0.2) | (darkening > SHADOW_MASKED)
    loose = int(rng.integers(0, 3))
    if loose:
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * loose + 1,) * 2)
        mask = cv2.dilate(mask.astype(np.uint8), disk) > 0
    return photo, np.where(mask, np.uint8(255), np.uint8(0))


def cutouts(folder):
    """Pictures with alpha, cropped to it, at least 150 px: smaller ones have rims of steps."""
    found = []
    for file in sorted(pathlib.Path(folder).glob("[!0-9]*.webp")):
        picture = read(file, cv2.IMREAD_UNCHANGED)
        if picture.ndim == 3 and picture.shape[2] == 4:
            x, y, w, h = cv2.boundingRect((picture[..., 3] > 32).astype(np.uint8))
            if max(w, h) >= 150:
                found.append(picture[y : y + h, x : x + w])
    if not found:
        raise SystemExit(f"{folder} holds no cut-out (WebP with alpha)")
    return found


def inserted(truths, objects):
    """`truths` are (name, group, function that reads the photo)."""
    for name, group, load in truths:
        rng = generator(name)
        truth = load()
        photo, mask = paste(truth, objects[rng.integers(len(objects))], rng)
        yield {"name": name, "group": group, "photo": photo, "mask": mask, "truth": truth, "published": {}}


def small_truths(heldout, wallpapers):
    """Photos of 512 to 1024 px to paste onto, as (name, group, function that reads it)."""
    files = sorted(pathlib.Path(heldout).glob("[0-9][0-9][0-9][0-9][0-9]_*.webp"))
    files = [f for f in files if not f.stem.endswith(SETS_LEFT_OUT)]
    labelled = [f for f in files if f.with_suffix(".png").exists()]
    chosen = [f for f in files if f not in labelled] + labelled[:: max(len(labelled) // WITH_LABELS, 1)][:WITH_LABELS]
    truths = [(f.stem, f.stem, lambda f=f: read(f)) for f in sorted(chosen)]
    return truths + [wallpaper(wallpapers, tail, (1024, 768)[i % 2]) for i, tail in enumerate(WALLPAPERS)]


def wallpaper(folder, tail, long_px):
    """One wallpaper at `long_px`."""
    found = [f for f in sorted(pathlib.Path(folder).rglob("*" + tail.rsplit("/", 1)[-1])) if str(f).endswith(tail)]
    if not found:
        raise SystemExit(f"{folder} holds no {tail}: unpack the wallpaper packages that README.md lists into it")
    stem = tail.split("/")[0] if "contents" in tail else tail.rsplit("/", 1)[-1].split("_by_")[0].removesuffix(".jpg")
    return f"{stem}@{long_px}", stem, lambda: within(read(found[0]), long_px)


def fresh_truths(heldout, wallpapers, every, long_px=None):
    """Photos that no choice was made on: of the old ones those that are not each `every`-th case, and the fresh ones."""
    # An index counts only photos that are large enough, as the choices' own list did.
    old = [t for t in small_truths(heldout, wallpapers) if max(t[2]().shape) >= LONG_PX_MIN]
    used = {group for i, (_, group, _) in enumerate(old) if i % every == 0}
    if long_px:
        found = [wallpaper(wallpapers, tail, long_px) for tail in WALLPAPERS + FRESH]
        return [t for t in found if t[1] not in used and max(t[2]().shape) == long_px]
    files = [pathlib.Path(heldout) / f"{name}.webp" for name in FRESH_HELDOUT]
    fresh = [(f.stem, f.stem, lambda f=f: read(f)) for f in files]
    fresh += [wallpaper(wallpapers, tail, (1024, 768)[i % 2]) for i, tail in enumerate(FRESH)]
    return [t for t in old if t[1] not in used] + fresh


def fresh_cases(heldout, cut_from, wallpapers, every, second=0, **size):
    """Each of these photos with an object, then `second` of them, evenly spaced, with another one."""
    truths = fresh_truths(heldout, wallpapers, every, **size)
    again = [(f"{name} again", group, load) for name, group, load in spaced(truths, second)]
    return inserted(truths + again, cutouts(cut_from))


def insertion_cases(heldout, cut_from, wallpapers, long_px=None, limit=1 << 30):
    """Cases of 512 to 1024 px; with `long_px` those of the wallpapers that have so many pixels, at that size.

    With `limit` so many photos, evenly spaced.
    """
    truths = [wallpaper(wallpapers, t, long_px) for t in WALLPAPERS] if long_px else small_truths(heldout, wallpapers)
    for case in inserted(spaced(truths, limit), cutouts(cut_from)):
        if max(case["mask"].shape) >= (long_px or LONG_PX_MIN):
            yield case


def spaced(values, count):
    """`count` of them, evenly spaced."""
    return values if count >= len(values) else [values[i * len(values) // count] for i in range(count)]


def removal_cases(folder):
    """Real removals: NAME.jpg, NAME_mask.png and perhaps NAME_biglama.jpg."""
    for file in sorted(pathlib.Path(folder).glob("*_mask.png")):
        name = file.name.removesuffix("_mask.png")
        photo = read(file.with_name(name + ".jpg"))
        mask = np.where(read(file, cv2.IMREAD_GRAYSCALE) > 127, np.uint8(255), np.uint8(0))
        published = {}
        answer = file.with_name(name + "_biglama.jpg")
        if answer.exists():
            picture = read(answer)
            published["big-lama, published"] = cv2.resize(picture, photo.shape[1::-1], interpolation=cv2.INTER_AREA)
        yield {"name": name, "group": name, "photo": photo, "mask": mask, "truth": None, "published": published}
