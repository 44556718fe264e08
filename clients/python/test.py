"""Uses the client on a running daemon: URL, key and a folder with boat.png and its mask are arguments."""

import sys
from pathlib import Path

from cleanplate import CleanplateError, Client

url, key, photos = sys.argv[1], sys.argv[2], Path(sys.argv[3])
client = Client(url + "/", key)
before = client.account()
done = client.remove(photos / "boat.png", mask=photos / "boat_mask.png", output_format="jpeg", idempotency_key="python")
assert (done.status, done.input_filename, done.credits_used) == ("completed", "boat.png", before.prices.removal), done
picture = client.download(done.output_url)
assert picture.startswith(b"\xff\xd8"), picture[:8]
assert before.limits.rate_limits.removal_per_minute > 0 and before.pipelines[0].name, before
assert done.candidates == () and done.error is None, done
again = client.remove(photos / "boat.png", mask=photos / "boat_mask.png", output_format="jpeg", idempotency_key="python")
assert again.job_id == done.job_id
several = client.remove(photos / "boat.png", mask=photos / "boat_mask.png", candidates=3)
assert len(several.candidates) > 1 and client.download(several.candidates[0].url), several
later = client.remove((photos / "boat.png").read_bytes(), mask=photos / "boat_mask.png", asynchronous=True)
assert client.wait(later.job_id).status == "completed"
assert [job.job_id for job in client.jobs("completed")][:2] == [later.job_id, several.job_id]
assert client.account().balance == before.balance - 3 * done.credits_used
for call, code in [
    (lambda: client.remove(photos / "boat.png"), "invalid"),
    (lambda: client.job("none"), "not_found"),
    (lambda: Client(url, "sk-live-wrong").account(), "unauthorized"),
]:
    try:
        call()
    except CleanplateError as error:
        assert error.code == code, error
    else:
        raise AssertionError(f"nothing was refused as {code}")
print("python client: all calls do what they say")
