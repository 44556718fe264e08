//! The list of routes.

/// Method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or does.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// One row of [`ROUTES`].
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path after [`super::PREFIX`]; `{...}` stands for an id or a name.
    pub path: &'static str,
    /// Query parameters, all optional.
    pub query: &'static [&'static str],
    /// Body: name of its type, empty for none.
    pub body: &'static str,
    /// Status of success.
    pub status: u16,
    /// Reply: name of its type.
    pub reply: &'static str,
    /// What it does.
    pub what: &'static str,
}

const fn get(
    path: &'static str,
    query: &'static [&'static str],
    reply: &'static str,
    what: &'static str,
) -> Route {
    Route {
        method: Method::Get,
        path,
        query,
        body: "",
        status: 200,
        reply,
        what,
    }
}

const fn post(
    path: &'static str,
    body: &'static str,
    status: u16,
    reply: &'static str,
    what: &'static str,
) -> Route {
    Route {
        method: Method::Post,
        path,
        query: &[],
        body,
        status,
        reply,
        what,
    }
}

/// Every route.
pub static ROUTES: &[Route] = &[
    get("/openapi.json", &[], "object", "This interface, described"),
    get(
        "/server",
        &[],
        "ServerView",
        "The daemon: device, queue, newest figures",
    ),
    get(
        "/metrics/history",
        &["seconds"],
        "MetricsHistory",
        "Figures of the last seconds (1 to 300, default 300), oldest first",
    ),
    get(
        "/events",
        &["since"],
        "Envelope",
        "Server-sent events; Last-Event-ID or since go on after that event",
    ),
    get(
        "/accounts",
        &["text", "after", "rows"],
        "Page<AccountRow>",
        "Accounts, oldest first; text in the name",
    ),
    post(
        "/accounts",
        "NewAccount",
        201,
        "AccountRow",
        "Makes an account",
    ),
    get("/accounts/{id}", &[], "AccountRow", "One account"),
    Route {
        method: Method::Patch,
        path: "/accounts/{id}",
        query: &[],
        body: "AccountChange",
        status: 200,
        reply: "AccountRow",
        what: "Renames an account",
    },
    post(
        "/accounts/{id}/top-ups",
        "TopUp",
        201,
        "LedgerRow",
        "Adds credits, or takes them away",
    ),
    get(
        "/accounts/{id}/ledger",
        &["after", "rows"],
        "Page<LedgerRow>",
        "Ledger of an account, newest first",
    ),
    get(
        "/keys",
        &["account", "state", "text", "after", "rows"],
        "Page<KeyRow>",
        "Keys, oldest first; text in the name or hint",
    ),
    post(
        "/keys",
        "NewKey",
        201,
        "KeyCreated",
        "Makes a key; tells its secret once",
    ),
    get("/keys/{id}", &[], "KeyRow", "One key"),
    Route {
        method: Method::Patch,
        path: "/keys/{id}",
        query: &[],
        body: "KeyChange",
        status: 200,
        reply: "KeyRow",
        what: "Changes name, limits, pipelines or expiry",
    },
    post(
        "/keys/{id}/revoke",
        "",
        200,
        "KeyRow",
        "Ends a key at once and for good, and the addresses of its results",
    ),
    Route {
        method: Method::Delete,
        path: "/keys/{id}",
        query: &[],
        body: "",
        status: 200,
        reply: "KeyRow",
        what: "Revokes a key if need be and takes it from all lists; its jobs keep its number",
    },
    get(
        "/jobs",
        &[
            "status", "account", "key", "batch", "pipeline", "code", "text", "after", "rows",
        ],
        "Page<JobRow>",
        "Jobs, newest first; text in the file name, the error or the front of the id",
    ),
    get(
        "/jobs/{id}",
        &[],
        "JobDetail",
        "One job: stages, models, warnings, files",
    ),
    get(
        "/jobs/{id}/images/{part}",
        &["side_px_max"],
        "image/*",
        "Bytes of input, result or mask as kept; with side_px_max (16 to 2048) upright, reduced to that longer side, as PNG",
    ),
    post(
        "/jobs/{id}/cancel",
        "",
        200,
        "JobRow",
        "Ends a waiting or running job; nothing is charged",
    ),
    post(
        "/jobs/{id}/retry",
        "",
        201,
        "JobRow",
        "Runs a failed asynchronous job again as a new job with a new reservation",
    ),
    get("/folders", &[], "FoldersReply", "Watched folders"),
    post(
        "/folders/{name}/pause",
        "",
        200,
        "FolderStatus",
        "Takes no new pairs; until resumed or restarted",
    ),
    post(
        "/folders/{name}/resume",
        "",
        200,
        "FolderStatus",
        "Takes pairs again",
    ),
    post(
        "/folders/{name}/rescan",
        "",
        200,
        "FolderStatus",
        "Looks at the whole folder now",
    ),
    get(
        "/models",
        &[],
        "ModelsReply",
        "Models: load state, hash, size, background task",
    ),
    post(
        "/models/{name}/load",
        "",
        200,
        "ModelRow",
        "Loads the weights into memory",
    ),
    post(
        "/models/{name}/unload",
        "",
        200,
        "ModelRow",
        "Frees the weights; running jobs keep theirs to their end",
    ),
    post(
        "/models/{name}/verify",
        "",
        202,
        "ModelRow",
        "Checks the weight file against its hash, in the background",
    ),
    post(
        "/models/{name}/pull",
        "",
        202,
        "ModelRow",
        "Downloads the published weights, in the background",
    ),
    post(
        "/models/{name}/import",
        "ImportModel",
        202,
        "ModelRow",
        "Imports a weight file of the daemon's machine, in the background",
    ),
    get("/pipelines", &[], "PipelinesReply", "Pipelines"),
    get(
        "/config",
        &[],
        "ConfigView",
        "Every option with value and origin; secrets are not told",
    ),
    get(
        "/log",
        &["level", "text", "rows"],
        "LogTail",
        "The newest log lines (rows: 1 to 1000, default 200) of a level and above",
    ),
    get(
        "/audit",
        &["text", "after", "rows"],
        "Page<AuditRow>",
        "Actions of administrators, newest first; text in actor, action or target",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_is_listed_twice() {
        let mut seen: Vec<(&str, &str)> = ROUTES
            .iter()
            .map(|route| (route.method.as_str(), route.path))
            .collect();
        seen.sort_unstable();
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
