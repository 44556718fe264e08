"""The plain form of the patch fill, as a yardstick: multi-scale EM PatchMatch with voted texture channels, then a Poisson blend.

One thread, scan-free (Jacobi) search, no limits on memory or time, nothing of the product's own: what `patchmatch` should at least reach.
After "Space-time completion of video" (Wexler 2007), "PatchMatch" (Barnes 2009), "Image melding" (Darabi 2012). `fill(rgb, hole)` without
a guide, `fill(rgb, hole, guide, mu)` with a coarse fill whose blurred colours steer the search. Pictures u8 `[H, W, 3]`, hole bool.
"""

import cv2
import numpy as np
from numba import njit

RADIUS = 3
TEXTURE = 5.0
GAMMA = 2.0
KNOWN_WEIGHT = 4.0
ITERATIONS = (24, 12, 8, 6, 4, 3)
ROUNDS = (4, 3, 2, 2, 2, 2)
STEPS = (8, 4, 2, 1)
SIDE_MIN = 32
SOURCES_MIN = 60
SWEEPS = 100
#: Guide's blur, in pixels of the finest level at 512 px.
GUIDE_SIGMA = 4.0
COLOURS = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
COLOUR_WEIGHTS = np.array([1.4, 1.6, 1.6], np.float32)


@njit(cache=True)
def mixed(seed, at, round_, k):
    h = (seed * 0x9E3779B1 + at * 0x85EBCA77 + round_ * 0xC2B2AE3D + k * 0x27D4EB2F) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 0x2C1B3C6D) & 0xFFFFFFFF
    h ^= h >> 12
    h = (h * 0x297A2D39) & 0xFFFFFFFF
    return h ^ (h >> 15)


@njit(cache=True)
def distance(f, hole, ty, tx, sy, sx):
    height, width = hole.shape
    total, weights = 0.0, 0.0
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            y, x = ty + dy, tx + dx
            if y < 0 or x < 0 or y >= height or x >= width:
                continue
            w = 1.0 if hole[y, x] else KNOWN_WEIGHT
            d = 0.0
            for c in range(f.shape[2]):
                e = f[y, x, c] - f[sy + dy, sx + dx, c]
                d += e * e
            total += w * d
            weights += w
    return total / weights


@njit(cache=True)
def search(f, hole, targets, is_source, nnf, dist, fresh, step, reach, seed, round_):
    """One Jacobi pass: neighbours at `step`, and random samples where `reach` is above 0."""
    height, width = hole.shape
    found, costs = nnf.copy(), dist.copy()
    for i in range(len(targets)):
        ty, tx = targets[i]
        best, bd = nnf[ty, tx], dist[ty, tx]
        if fresh:
            bd = distance(f, hole, ty, tx, best // width, best % width)
        for k in range(4):
            oy = (-step if k == 0 else step if k == 1 else 0)
            ox = (-step if k == 2 else step if k == 3 else 0)
            y, x = ty + oy, tx + ox
            if y < 0 or x < 0 or y >= height or x >= width or nnf[y, x] < 0:
                continue
            sy, sx = nnf[y, x] // width - oy, nnf[y, x] % width - ox
            if sy < 0 or sx < 0 or sy >= height or sx >= width or not is_source[sy, sx]:
                continue
            d = distance(f, hole, ty, tx, sy, sx)
            if d < bd or (d == bd and sy * width + sx < best):
                best, bd = sy * width + sx, d
        radius, k = reach, 0
        while radius >= 1:
            h = mixed(seed, ty * width + tx, round_, k)
            sy = best // width + int(h % (2 * radius + 1)) - radius
            sx = best % width + int((h >> 16) % (2 * radius + 1)) - radius
            if sy >= 0 and sx >= 0 and sy < height and sx < width and is_source[sy, sx]:
                d = distance(f, hole, ty, tx, sy, sx)
                if d < bd or (d == bd and sy * width + sx < best):
                    best, bd = sy * width + sx, d
            radius //= 2
            k += 1
        found[ty, tx], costs[ty, tx] = best, bd
    return found, costs


@njit(cache=True)
def vote(values, hole, nnf, dist, place, sharpen):
    """`values` `[H, W, C]` with the hole's voted anew; `place` is each patch's weight by its distance to the known pixels."""
    height, width = hole.shape
    out = values.copy()
    for y in range(height):
        for x in range(width):
            if not hole[y, x]:
                continue
            mean, count = 0.0, 0
            for dy in range(-RADIUS, RADIUS + 1):
                for dx in range(-RADIUS, RADIUS + 1):
                    qy, qx = y + dy, x + dx
                    if qy >= 0 and qx >= 0 and qy < height and qx < width and nnf[qy, qx] >= 0:
                        mean += dist[qy, qx]
                        count += 1
            scale = 2 * mean / count + 1e-12
            total = 0.0
            sums = np.zeros(values.shape[2])
            for dy in range(-RADIUS, RADIUS + 1):
                for dx in range(-RADIUS, RADIUS + 1):
                    qy, qx = y + dy, x + dx
                    if qy < 0 or qx < 0 or qy >= height or qx >= width or nnf[qy, qx] < 0:
                        continue
                    w = place[qy, qx] * np.exp(-dist[qy, qx] / scale)
                    if sharpen:
                        w *= np.exp(-0.5 * (dy * dy + dx * dx))
                    sy, sx = nnf[qy, qx] // width - dy, nnf[qy, qx] % width - dx
                    total += w
                    for c in range(values.shape[2]):
                        sums[c] += w * values[sy, sx, c]
            for c in range(values.shape[2]):
                out[y, x, c] = sums[c] / total
    return out


@njit(cache=True)
def blend(rgb, hole, nnf):
    """Successive over-relaxation of the Poisson equation for the sources' gradients, photo at the rim."""
    height, width = hole.shape
    out = rgb.copy()
    for sweep in range(SWEEPS):
        for colour in range(2):
            for y in range(height):
                for x in range(width):
                    if not hole[y, x] or (y + x) % 2 != colour:
                        continue
                    for c in range(3):
                        total, count = 0.0, 0
                        for k in range(4):
                            oy = (-1 if k == 0 else 1 if k == 1 else 0)
                            ox = (-1 if k == 2 else 1 if k == 3 else 0)
                            ny, nx = y + oy, x + ox
                            if ny < 0 or nx < 0 or ny >= height or nx >= width:
                                continue
                            sy, sx = nnf[y, x] // width, nnf[y, x] % width
                            slope = rgb[sy, sx, c] - rgb[sy + oy, sx + ox, c]
                            if hole[ny, nx]:
                                sy, sx = nnf[ny, nx] // width, nnf[ny, nx] % width
                                slope = 0.5 * (slope + rgb[sy - oy, sx - ox, c] - rgb[sy, sx, c])
                            total += out[ny, nx, c] + slope
                            count += 1
                        out[y, x, c] += 1.9 * (total / count - out[y, x, c]) if sweep + 1 < SWEEPS else total / count - out[y, x, c]
    return out


def masked_mean(values, known, blur):
    weight = blur(known.astype(np.float32))
    return blur(values * (known[..., None] if values.ndim == 3 else known)) / np.maximum(weight, 1e-6)[(...,) + (None,) * (values.ndim - 2)]


def halved(values, known):
    kernel = np.array([1, 3, 3, 1], np.float32) / 8

    def half(v):
        odd = [(0, v.shape[0] % 2), (0, v.shape[1] % 2)] + [(0, 0)] * (v.ndim - 2)
        v = np.pad(np.pad(v, odd, "edge"), [(1, 1), (1, 1)] + [(0, 0)] * (v.ndim - 2))
        rows = sum(k * v[i : i + v.shape[0] - 3 : 2] for i, k in enumerate(kernel))
        return sum(k * rows[:, i : i + v.shape[1] - 3 : 2] for i, k in enumerate(kernel))

    weight = half(known.astype(np.float32))
    return half(values * known[..., None]) / np.maximum(weight, 1e-6)[..., None]


def textured(rgb, known):
    luma = rgb @ COLOURS[0]
    out = []
    for axis in (1, 0):
        slope = np.abs(np.diff(luma, axis=axis, append=np.take(luma, [-1], axis)))
        both = known & np.roll(known, -1, axis)
        out.append(masked_mean(slope, both, lambda v: cv2.blur(v, (9, 9), borderType=cv2.BORDER_CONSTANT)))
    return np.stack(out, -1)


def harmonic(values, hole):
    """Smooth membrane over the hole: relaxed on ever finer grids of the small picture."""
    out = values.copy()
    out[hole] = out[~hole].mean(0)
    for _ in range(400):
        around = cv2.blur(out, (3, 3), borderType=cv2.BORDER_REPLICATE)
        out[hole] = around[hole]
    return out


def sources_of(hole, ring):
    side = 2 * RADIUS + 1
    inner = np.zeros_like(hole)
    inner[RADIUS:-RADIUS, RADIUS:-RADIUS] = True
    whole = ~(cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8)) > 0) & inner
    far = whole & (cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5) > RADIUS + ring)
    return far if far.sum() >= SOURCES_MIN else whole


def fill(photo, hole, guide=None, mu=0.0, ring=8.0, seed=1):
    """The photo u8 with its hole filled."""
    rgb = photo.astype(np.float32) / 255
    known = ~hole
    rgb = rgb * known[..., None]
    channels = np.concatenate([(rgb @ COLOURS.T) * COLOUR_WEIGHTS, TEXTURE * textured(rgb, known)], -1).astype(np.float32)
    steer = None
    if guide is not None:
        soft = cv2.GaussianBlur(np.where(hole[..., None], guide, photo).astype(np.float32) / 255, (0, 0), GUIDE_SIGMA)
        steer = (np.sqrt(mu) * (soft @ COLOURS.T) * COLOUR_WEIGHTS).astype(np.float32)
    levels = [(channels, hole, steer)]
    while min(levels[-1][1].shape) // 2 >= SIDE_MIN:
        values, h, g = levels[-1]
        pad = [(0, n % 2) for n in h.shape]
        small_hole = np.pad(h, pad).reshape((h.shape[0] + 1) // 2, 2, -1, 2).any((1, 3))
        small = halved(values, ~h)
        steer = None if g is None else halved(g, np.ones_like(h))
        if (~small_hole).sum() < SOURCES_MIN or not sources_of(small_hole, 0).any():
            break
        levels.append((small.astype(np.float32), small_hole, None if steer is None else steer.astype(np.float32)))
    nnf, round_, rng = None, 0, np.random.default_rng(seed)
    for at in range(len(levels) - 1, -1, -1):
        values, h, g = levels[at]
        height, width = h.shape
        is_source = sources_of(h, max(1.0, ring / 2**at))
        touched = cv2.dilate(h.astype(np.uint8), np.ones((2 * RADIUS + 1,) * 2, np.uint8)) > 0
        targets = np.argwhere(touched)
        sources = np.flatnonzero(is_source)
        nearest = nearest_source(is_source)
        fresh = np.full((height, width), -1, np.int64)
        if nnf is None:
            fresh[touched] = rng.choice(sources, len(targets))
            values = harmonic(values, h)
        else:
            coarse_width = levels[at + 1][1].shape[1]
            ys, xs = targets[:, 0], targets[:, 1]
            from_coarse = nnf[np.minimum(ys // 2, nnf.shape[0] - 1), np.minimum(xs // 2, nnf.shape[1] - 1)]
            lost = from_coarse < 0
            from_coarse = np.where(lost, 0, from_coarse)
            sy, sx = 2 * (from_coarse // coarse_width) + ys % 2, 2 * (from_coarse % coarse_width) + xs % 2
            placed = nearest[np.minimum(sy, height - 1), np.minimum(sx, width - 1)]
            fresh[ys, xs] = np.where(lost, rng.choice(sources, len(targets)), placed)
        nnf, dist = fresh, np.zeros((height, width))
        place = GAMMA ** -cv2.distanceTransform(h.astype(np.uint8), cv2.DIST_L2, 5).astype(np.float64)
        if at < len(levels) - 1:
            values = vote(values, h, nnf, dist, place, False)
        depth = len(levels) - 1 - at
        for iteration in range(ITERATIONS[min(depth, 5)]):
            f = values if g is None else np.concatenate([values, g], -1)
            for k in range(ROUNDS[min(depth, 5)] * len(STEPS)):
                step = STEPS[k % len(STEPS)]
                reach = max(height, width) // 2 if step == STEPS[-1] else 0
                nnf, dist = search(f, h, targets, is_source, nnf, dist, k == 0, step, reach, seed, round_)
                round_ += 1
            values = vote(values, h, nnf, dist, place, False)
    voted = vote(np.ascontiguousarray(rgb), hole, nnf, dist, place, True)
    return np.clip(np.rint(blend(voted.astype(np.float64), hole, nnf) * 255), 0, 255).astype(np.uint8)


def nearest_source(is_source):
    """Flat index of the nearest source for every pixel."""
    _, labels = cv2.distanceTransformWithLabels((~is_source).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    of_label = np.zeros(labels.max() + 1, np.int64)
    of_label[labels[is_source]] = np.flatnonzero(is_source)
    return of_label[labels]
