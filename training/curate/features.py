"""What a judge sees of a fill: numbers about one candidate, about the place, and about the candidates together.

All of them are measured on a crop round the hole, reduced so that the hole's longer side is at most HOLE_PX; "half" is that crop
averaged down once more. L, a and b are CIE Lab, divided by 100. Everything is plain arithmetic without random numbers.
"""

import cv2
import numpy as np

#: The hole's longer side in the crop that is judged.
HOLE_PX = 128
#: Surroundings in the crop: this share of the hole's longer side, at least so many pixels of the reduced crop.
REACH_SHARE, REACH_PX_MIN = 0.75, 64
#: Patches are 8 x 8; of each channel the first DCT coefficients in zigzag order are compared.
PATCH = 8
KEPT = (10, 3, 3)
ZIGZAG = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0)]
#: A known patch's own neighbours, nearer than this, are no match for it.
OWN_PX = 8
#: Known patches round the hole whose nearest match says what is usual here.
USUAL = 200


class Place:
    """What does not depend on the candidate: `photo` u8 [H, W, 3], `hole` bool (what is filled, ring included), `mask` bool (the object)."""

    def __init__(self, photo, hole, mask):
        x, y, w, h = cv2.boundingRect(hole.astype(np.uint8))
        side = max(w, h)
        self.scale = min(HOLE_PX / side, 1)
        reach = int(max(REACH_SHARE * side, REACH_PX_MIN / self.scale))
        self.box = np.s_[max(y - reach, 0) : y + h + reach, max(x - reach, 0) : x + w + reach]
        part = hole[self.box]
        self.size = tuple(max(round(n * self.scale), 32) for n in part.shape[::-1])
        self.holes = [self.shrunk(part.astype(np.float32), 1) > 0.02, self.shrunk(part.astype(np.float32), 2) > 0.02]
        self.objects = [self.shrunk(mask[self.box].astype(np.float32), k) > 0.98 for k in (1, 2)]
        self.labs = [lab(self.shrunk(photo[self.box], k)) for k in (1, 2)]
        self.known = [known_patches(l, h) for l, h in zip(self.labs, self.holes)]
        self.usual = [self.usual_distances(k) for k in (0, 1)]
        self.numbers = self.measure(hole)

    def shrunk(self, picture, by):
        size = tuple(max(n // by, 16) for n in self.size)
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)

    def usual_distances(self, k):
        """Distance from known patches near the hole to their nearest match elsewhere, sorted."""
        vectors, at = self.known[k]
        near = cv2.distanceTransform((~self.holes[k]).astype(np.uint8), cv2.DIST_L2, 5)[at[:, 0] + PATCH // 2, at[:, 1] + PATCH // 2]
        order = np.argsort(near, kind="stable")
        order = order[: max(len(order) // 4, USUAL)]
        chosen = order[:: max(len(order) // USUAL, 1)][:USUAL]
        small, own = at.astype(np.int16), at[chosen].astype(np.int16)

        def near_itself(rows):
            return (np.abs(own[rows, :1] - small[:, 0]) <= OWN_PX) & (np.abs(own[rows, 1:] - small[:, 1]) <= OWN_PX)

        found = nearest(vectors[chosen], vectors, near_itself)
        return np.sort(found[np.isfinite(found)]) if np.isfinite(found).any() else np.array([0.05])

    def measure(self, hole):
        """Numbers of the place."""
        l, h = self.labs[0][..., 0], self.holes[0]
        ring = self.ring()
        g = gradient(self.labs[0])
        edges, coherent = crossing(self.labs[0], h)
        return {
            "hole_share": float(np.log(hole.mean())),
            "reduced": float(np.log(self.scale)),
            "ring_gradient": float(np.log(g[ring].mean() + 1e-3)),
            "ring_deviation": float(np.log(l[ring].std() + 1e-2)),
            "crossing_edges": edges,
            "crossing_coherence": coherent,
            "usual": float(np.log(self.usual[0].mean() + 1e-3)),
            "usual_half": float(np.log(self.usual[1].mean() + 1e-3)),
            "period": periodicity(l, ~h),
            "object_contrast": self.contrast(ring),
        }

    def contrast(self, ring):
        inside = self.objects[0]
        if not inside.any():
            return 0.0
        return float(np.linalg.norm(self.labs[0][inside].mean(0) - self.labs[0][ring].mean(0)))

    def ring(self, px=12):
        h = self.holes[0].astype(np.uint8)
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1,) * 2)
        ring = (cv2.dilate(h, disk) > 0) & ~self.holes[0]
        return ring if ring.any() else ~self.holes[0]

    def fill(self, picture):
        """Numbers of one candidate (u8, as large as the photo)."""
        part = picture[self.box]
        labs = [lab(self.shrunk(part, k)) for k in (1, 2)]
        out = {}
        for k, name in ((0, ""), (1, "_half")):
            out |= {n + name: v for n, v in self.coherence(labs[k], k).items()}
        out |= self.sharpness(labs[0])
        forth, back = continuation(labs[0], self.holes[0])
        out |= {"continued": forth, "continued_back": back}
        return out

    def coherence(self, picture, k):
        """Distances of the fill's patches to the nearest known one, against what is usual here; and to the object's."""
        vectors = descriptors(picture)
        inside = touching(self.holes[k])
        at = np.argwhere(inside)
        at = at[(at[:, 0] % 2 == 0) & (at[:, 1] % 2 == 0)]
        own = vectors[at[:, 0], at[:, 1]]
        found = nearest(own, self.known[k][0])
        usual = self.usual[k]
        blob = np.zeros(inside.shape, np.float32)
        weight = np.zeros(inside.shape, np.float32)
        blob[at[:, 0], at[:, 1]] = found
        weight[at[:, 0], at[:, 1]] = 1
        blurred = cv2.GaussianBlur(blob, (0, 0), 5) / np.maximum(cv2.GaussianBlur(weight, (0, 0), 5), 1e-6)
        ratio = lambda a, b: float(np.log((a + 2e-3) / (b + 2e-3)))
        out = {
            "coherence": ratio(found.mean(), usual.mean()),
            "tail": ratio(np.quantile(found, 0.9), np.quantile(usual, 0.9)),
            "blob": ratio(blurred[weight > 0].max(), np.quantile(usual, 0.9)),
        }
        objects = eroded(self.objects[k])
        if objects.any():
            to_object = nearest(own, descriptors(self.labs[k])[objects][::3])
            nearer = np.log((found + 5e-3) / (to_object + 5e-3))
            out["leftover"] = float(np.clip(nearer, 0, 2).mean())
            out["leftover_tail"] = float(np.quantile(nearer, 0.95))
        else:
            out["leftover"], out["leftover_tail"] = 0.0, -1.0
        return out

    def sharpness(self, picture):
        h = self.holes[0]
        small = h.astype(np.uint8)
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
        rim = (cv2.dilate(small, disk) > 0) & (cv2.erode(small, disk) == 0)
        inner = cv2.erode(small, disk) > 0
        inner = inner if inner.any() else h
        g, ring = gradient(picture), self.ring()
        fine = np.abs(picture[..., 0] - cv2.GaussianBlur(picture[..., 0], (0, 0), 1))
        log = lambda a, b: float(np.log((a + 2e-3) / (b + 2e-3)))
        soft = cv2.GaussianBlur(picture, (0, 0), 4)
        return {
            "sharp": log(g[inner].mean(), g[ring].mean()),
            "fine": log(fine[inner].mean(), fine[ring].mean()),
            "seam": log(g[rim].mean(), 0.5 * (g[inner].mean() + g[ring].mean())),
            "tone": float(np.linalg.norm(picture[inner].mean(0) - picture[ring].mean(0))),
            "spread": log(soft[inner].std(0).sum(), soft[ring].std(0).sum()),
        }


def lab(picture):
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) / 100


def dct_basis():
    n = np.arange(PATCH)
    rows = [np.sqrt((1 if k == 0 else 2) / PATCH) * np.cos(np.pi * (n + 0.5) * k / PATCH) for k in range(PATCH)]
    return np.array(rows, np.float32)


BASIS = dct_basis()


def descriptors(picture):
    """Patches by their top left corner: [H - 7, W - 7, 16]; the distance of two is the root mean square difference per pixel."""
    out = []
    for channel, count in enumerate(KEPT):
        for ky, kx in ZIGZAG[:count]:
            c = cv2.sepFilter2D(picture[..., channel], cv2.CV_32F, BASIS[kx], BASIS[ky], anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
            out.append(c)
    height, width = picture.shape[:2]
    return np.stack(out, -1)[: height - PATCH + 1, : width - PATCH + 1] / PATCH


def box_any(mask):
    """For each patch, whether any of its pixels is set."""
    sums = cv2.filter2D(mask.astype(np.float32), cv2.CV_32F, np.ones((PATCH, PATCH), np.float32), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    height, width = mask.shape
    return sums[: height - PATCH + 1, : width - PATCH + 1] > 0.5


def touching(hole):
    """Patches of which a quarter or more is hole."""
    sums = cv2.filter2D(hole.astype(np.float32), cv2.CV_32F, np.ones((PATCH, PATCH), np.float32), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    height, width = hole.shape
    inside = sums[: height - PATCH + 1, : width - PATCH + 1] >= PATCH * PATCH / 4
    return inside if inside.any() else box_any(hole)


def eroded(mask):
    """Patches that lie wholly in the mask."""
    return ~box_any(~mask)


def known_patches(picture, hole):
    free = ~box_any(hole)
    if not free.any():
        raise ValueError("the crop round the hole holds no known patch")
    return descriptors(picture)[free], np.argwhere(free)


def nearest(a, b, apart=None):
    """For each of `a` the distance to the nearest of `b`; `apart(rows)` gives those pairs [rows, len(b)] that do not count."""
    found = np.empty(len(a), np.float32)
    halves, turned = 0.5 * (b * b).sum(1), np.ascontiguousarray(b.T)
    for start in range(0, len(a), 64):  # so many rows stay in the cache
        rows = slice(start, start + 64)
        products = halves - a[rows] @ turned
        if apart is not None:
            products[apart(rows)] = np.inf
        found[rows] = products.min(1)
    return np.sqrt(np.maximum(2 * found + (a * a).sum(1), 0))


def gradient(picture):
    dx = np.diff(picture, axis=1, append=picture[:, -1:])
    dy = np.diff(picture, axis=0, append=picture[-1:])
    return np.sqrt((dx * dx + dy * dy).sum(2))


def slopes(picture):
    """Gradient of the lightness at the scale of 2 px: (x, y)."""
    soft = cv2.GaussianBlur(picture[..., 0], (0, 0), 1.5)
    return cv2.Sobel(soft, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(soft, cv2.CV_32F, 0, 1) / 8


def rim_points(hole, out_px):
    """Points `out_px` outside the hole (inside, if negative), with the direction into it."""
    outside = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    signed = cv2.GaussianBlur(outside - inside, (0, 0), 2)
    nx, ny = -cv2.Sobel(signed, cv2.CV_32F, 1, 0) / 8, -cv2.Sobel(signed, cv2.CV_32F, 0, 1) / 8
    at = np.argwhere(np.abs(outside - inside - out_px) < 0.8)
    return at, np.stack([ny[at[:, 0], at[:, 1]], nx[at[:, 0], at[:, 1]]], 1)


def crossing(picture, hole):
    """How many edges run into the hole, and how much of all gradient at the rim they are."""
    gx, gy = slopes(picture)
    at, normal = rim_points(hole, 5)
    if not len(at):
        return 0.0, 0.0
    g = np.stack([gy[at[:, 0], at[:, 1]], gx[at[:, 0], at[:, 1]]], 1)
    strength = np.linalg.norm(g, axis=1)
    along = np.abs(g[:, 0] * normal[:, 1] - g[:, 1] * normal[:, 0])
    return float(along.mean() * 100), float(along.sum() / (strength.sum() + 1e-4))


def continuation(picture, hole):
    """Share of the edges that run into the hole which go on in the fill, and the other way round (1: all of them)."""
    return one_way(picture, hole, 4), one_way(picture, hole, -4)


def one_way(picture, hole, out_px):
    gx, gy = slopes(picture)
    at, normal = rim_points(hole, out_px)
    if not len(at):
        return 1.0
    height, width = hole.shape
    g = np.stack([gy[at[:, 0], at[:, 1]], gx[at[:, 0], at[:, 1]]], 1)
    tangent = np.stack([-g[:, 1], g[:, 0]], 1)
    strength = np.linalg.norm(g, axis=1)
    tangent /= np.maximum(strength, 1e-6)[:, None]
    towards = np.sign(out_px) * (tangent * normal).sum(1)
    tangent *= np.where(towards < 0, -1, 1)[:, None]
    weight = strength * np.abs(towards)
    best = np.zeros(len(at), np.float32)
    for step in (8, 10, 12):  # over the rim, with a little room beside the line
        for aside in (-2, 0, 2):
            to = np.rint(at + step * tangent + aside * np.stack([-tangent[:, 1], tangent[:, 0]], 1)).astype(int)
            ok = (to[:, 0] >= 0) & (to[:, 1] >= 0) & (to[:, 0] < height) & (to[:, 1] < width)
            ty, tx = np.clip(to[:, 0], 0, height - 1), np.clip(to[:, 1], 0, width - 1)
            there = np.stack([gy[ty, tx], gx[ty, tx]], 1)
            alike = (g * there).sum(1) / np.maximum(strength * strength, 1e-8)
            best = np.maximum(best, np.where(ok, np.clip(alike, 0, 1), 0))
    return float((weight * best).sum() / (weight.sum() + 1e-4))


def periodicity(lightness, known):
    """The highest normalised autocorrelation of the known pixels at a shift of 8 px or more, after the coarse tone is taken off."""
    weight = known.astype(np.float32)
    soft = cv2.GaussianBlur(lightness * weight, (0, 0), 8) / np.maximum(cv2.GaussianBlur(weight, (0, 0), 8), 1e-3)
    v = (lightness - soft) * weight
    shape = [2 * n for n in v.shape]
    transform = lambda a: np.fft.rfft2(a, shape)
    fv, fw, fe = transform(v), transform(weight), transform(v * v)
    back = lambda a: np.fft.irfft2(a, shape)
    products, overlap = back(fv * fv.conj()), back(fw * fw.conj())
    energy = np.sqrt(np.maximum(back(fe * fw.conj()) * back(fw * fe.conj()), 1e-12))
    value = products / np.maximum(energy, 1e-6)
    height, width = v.shape
    ys, xs = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    far = (np.maximum(ys[:, None], xs[None]) >= 8) & (ys[:, None] < height // 2) & (xs[None] < width // 2)
    far &= overlap > 0.25 * weight.sum()
    return float(value[far].max()) if far.any() else 0.0


def together(fills, place):
    """For each of several candidates its distance from the mean of the others, coarse colours in the hole."""
    soft = [cv2.GaussianBlur(lab(place.shrunk(f[place.box], 1)), (0, 0), 3)[place.holes[0]] for f in fills]
    usual = place.labs[0][place.ring()].std(0).sum() + 0.02
    out = []
    for i, own in enumerate(soft):
        others = [s for k, s in enumerate(soft) if k != i]
        out.append(float(np.log(np.linalg.norm(own - np.mean(others, 0), axis=1).mean() / usual + 1e-2)))
    return out
