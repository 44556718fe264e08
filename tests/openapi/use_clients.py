"""Uses both interfaces of a running daemon through clients that were generated from their documents.

    use_clients.py URL KEY ADMIN_URL ADMIN_TOKEN PHOTOS
"""

import pathlib
import sys

from admin_client import AuthenticatedClient as AdminClient
from admin_client.api.accounts import create_account, list_accounts, list_ledger, top_up_account
from admin_client.api.daemon import get_config, get_log, list_actions
from admin_client.api.jobs import get_image, list_jobs
from admin_client.models import AccountRow, ConfigView, JobStatus, NewAccount, TopUp
from public_client import AuthenticatedClient, Client
from public_client.api.account import get_account
from public_client.api.jobs import cancel_job, get_job
from public_client.api.operations import get_health
from public_client.api.services import remove_object, remove_objects, segment
from public_client.models import (
    BatchForm,
    BatchQuoteReply,
    BatchReply,
    ErrorBody,
    InvalidBody,
    QuoteReply,
    RemovalForm,
    RemovalReply,
    SegmentationForm,
)
from public_client.types import File


def equal(got, want, what):
    if got != want:
        sys.exit(f"openapi: FAILED: {what}: got {got!r}, want {want!r}")


def is_a(got, kind, what):
    if not isinstance(got, kind):
        sys.exit(f"openapi: FAILED: {what}: got {got!r}, want a {kind.__name__}")
    return got


def photo(folder, name):
    path = folder / f"{name}.png"
    return File(payload=path.read_bytes(), file_name=path.name, mime_type="image/png")


def services(url, key, folder):
    """Removal, batch, segmentation and what they refuse; returns the id of a job."""
    client = AuthenticatedClient(base_url=url, token=key, timeout=120)
    boat, mask = photo(folder, "boat"), photo(folder, "boat_mask")
    before = get_account.sync(client=client)
    price = before.prices.removal

    quote = remove_object.sync(client=client, body=RemovalForm(image=boat, mask=mask), dry_run=True)
    equal(is_a(quote, QuoteReply, "dry run").credits_, price, "quoted price")

    reply = remove_object.sync_detailed(client=client, body=RemovalForm(image=boat, mask=mask), output_format="png")
    equal(reply.status_code, 200, "status of a removal")
    done = is_a(reply.parsed, RemovalReply, "removal")
    equal((done.status.value, done.result.credits_used), ("completed", price), "removal")
    equal(int(reply.headers["X-Credits-Charged"]), price, "charged")

    job = get_job.sync(done.job_id, client=client)
    equal((job.job_id, job.status.value), (done.job_id, "completed"), "the job of the removal")
    refused = cancel_job.sync_detailed(done.job_id, client=client)
    equal(refused.status_code, 409, "cancelling a job that has ended")
    is_a(refused.parsed, ErrorBody, "cancelling a job that has ended")

    pairs = BatchForm(images=[boat, boat], masks=[mask, mask])
    quote = is_a(remove_objects.sync(client=client, body=pairs, dry_run=True), BatchQuoteReply, "dry run of a batch")
    equal((quote.total_files, quote.credits_), (2, 2 * price), "quoted batch")
    batch = is_a(remove_objects.sync(client=client, body=pairs), BatchReply, "batch")
    equal((batch.completed, batch.failed, batch.total_credits_used), (2, 0, 2 * price), "batch")

    marked = segment.sync_detailed(client=client, body=SegmentationForm(image=boat), box="[0,0,200,200]")
    if marked.status_code == 200:
        equal(marked.parsed.payload.read(8), b"\x89PNG\r\n\x1a\n", "the mask of a segmentation")
    else:
        # Nothing may be found in the box: that has a form as well.
        equal(marked.status_code, 422, "status of a segmentation")
        is_a(marked.parsed, InvalidBody, "segmentation")

    wrong = remove_object.sync(client=client, body=RemovalForm(image=boat))
    equal(is_a(wrong, InvalidBody, "removal without a mask").detail[0].loc, ["body", "mask"], "what is missing")
    stranger = AuthenticatedClient(base_url=url, token="sk-live-nobody")
    is_a(remove_object.sync(client=stranger, body=RemovalForm(image=boat, mask=mask)), ErrorBody, "unknown key")
    equal(get_health.sync(client=Client(base_url=url)).status, "ok", "health")
    equal(get_account.sync(client=client).balance, before.balance - 3 * price - _price(marked), "balance")
    return done.job_id


def _price(reply):
    return int(reply.headers["X-Credits-Charged"])


def administration(url, token, job):
    """Accounts, credits, jobs and what an administrator reads."""
    client = AdminClient(base_url=url, token=token)
    made = create_account.sync(client=client, body=NewAccount(name="studio", credits_=5))
    entry = top_up_account.sync(str(made.id), client=client, body=TopUp(credits_=7, note="invoice"))
    equal((entry.available_after, entry.note), (12, "invoice"), "top-up")
    page = list_accounts.sync(client=client, text="studio")
    equal([is_a(row, AccountRow, "account").available for row in page.items], [12], "accounts")
    equal(len(list_ledger.sync(str(made.id), client=client).items), 2, "ledger")
    jobs = list_jobs.sync(client=client, status=JobStatus.COMPLETED, rows=100)
    equal(job in [row.id for row in jobs.items], True, "the job is listed")
    small = get_image.sync(job, "result", client=client, side_px_max=64)
    equal(small.payload.read(8), b"\x89PNG\r\n\x1a\n", "a reduced picture")
    actions = list_actions.sync(client=client, text="account").items
    equal(actions[0].actor, "token test", "who acted")
    options = is_a(get_config.sync(client=client), ConfigView, "configuration").options
    equal(len(options) > 50, True, "options")
    equal(all(len(field) == 2 for line in get_log.sync(client=client).lines for field in line.fields), True, "log fields")


def main():
    url, key, admin_url, token, folder = sys.argv[1:]
    job = services(url, key, pathlib.Path(folder))
    administration(admin_url, token, job)
    print("both documents are valid, and the clients generated from them work")


if __name__ == "__main__":
    main()
